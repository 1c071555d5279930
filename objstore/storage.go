package objstore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Storage says how S3 keeps new objects; the zero value leaves it to the bucket. Every object is encrypted so. The class is for data
// files (*.parquet), which are nearly all of the bytes, and the lock for data files and records (schema_snapshot*.json): table
// metadata is small, read by every query, and version-hint.text is written again by every commit.
type Storage struct {
	Class      string // one of Classes
	Encryption string // "SSE-S3" or "SSE-KMS"
	KMSKey     string // with SSE-KMS: id, ARN or alias; "" is the account's key for S3
	LockMode   string // "governance" or "compliance"; the bucket must have Object Lock
	LockDays   int    // with LockMode, from the moment of writing
}

const onlyS3 = "storage class, encryption and object lock are S3's; this warehouse has none of them"

// Classes are the storage classes whose objects can be read at once. Those of Glacier that must be restored first cannot be
// proven after they are written: a lifecycle rule may move objects there later.
var Classes = []string{"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}

// The values of Storage's fields.
var (
	Encryptions = []string{"SSE-S3", "SSE-KMS"}
	LockModes   = []string{"governance", "compliance"}
)

// Check says what is wrong with the fields.
func (st Storage) Check() error {
	for _, f := range []struct {
		what, value string
		allowed     []string
	}{{"storage class", st.Class, Classes}, {"encryption", st.Encryption, Encryptions}, {"object lock mode", st.LockMode, LockModes}} {
		if f.value == "GLACIER" || f.value == "DEEP_ARCHIVE" {
			return fmt.Errorf("storage class %s: its objects cannot be read back, so nothing written there can be proven; use GLACIER_IR, or a lifecycle rule that moves them later", f.value)
		}
		if f.value != "" && !slices.Contains(f.allowed, f.value) {
			return fmt.Errorf("%s %q is none of %s", f.what, f.value, strings.Join(f.allowed, ", "))
		}
	}
	switch {
	case st.KMSKey != "" && st.Encryption != "SSE-KMS":
		return fmt.Errorf("a KMS key needs the encryption SSE-KMS, not %q", st.Encryption)
	case st.LockMode != "" && (st.LockDays < 1 || st.LockDays > 36500):
		return fmt.Errorf("object lock: %d days: 1 to 36500 are needed", st.LockDays)
	case st.LockMode == "" && st.LockDays != 0:
		return fmt.Errorf("object lock: %d days without a mode", st.LockDays)
	}
	return nil
}

// WithStorage is s with another Storage for what is written through it. Only S3 has one.
func WithStorage(s Store, st Storage) (Store, error) {
	if err := st.Check(); err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", s.Root(), err)
	}
	if st == (Storage{}) {
		return s, nil
	}
	on, ok := s.(*s3Store)
	if !ok {
		return nil, fmt.Errorf("open warehouse %s: %s", s.Root(), onlyS3)
	}
	c := *on
	c.o.Storage = st
	return &c, nil
}

// upload sets what an upload of key needs.
func (st Storage) upload(key string, in *transfermanager.UploadObjectInput) {
	encryption, kmsKey := st.encryption()
	in.ServerSideEncryption, in.SSEKMSKeyID = tmtypes.ServerSideEncryption(encryption), kmsKey
	name := key[strings.LastIndexByte(key, '/')+1:]
	data := strings.HasSuffix(name, ".parquet")
	if data {
		in.StorageClass = tmtypes.StorageClass(st.Class)
	}
	if st.LockMode != "" && (data || strings.HasPrefix(name, "schema_snapshot")) {
		in.ObjectLockMode = tmtypes.ObjectLockMode(strings.ToUpper(st.LockMode))
		in.ObjectLockRetainUntilDate = aws.Time(time.Now().UTC().AddDate(0, 0, st.LockDays))
	}
}

func (st Storage) encryption() (types.ServerSideEncryption, *string) {
	switch st.Encryption {
	case "SSE-S3":
		return types.ServerSideEncryptionAes256, nil
	case "SSE-KMS":
		if st.KMSKey != "" {
			return types.ServerSideEncryptionAwsKms, &st.KMSKey
		}
		return types.ServerSideEncryptionAwsKms, nil
	}
	return "", nil
}
