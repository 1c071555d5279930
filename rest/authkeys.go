package rest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Key is an API key as the file of keys has it. The file has the SHA-256 of the key: the key is 256 random bits, which nobody
// finds by trying, so that a slow hash with a salt, as passwords need, would only slow every request down.
type Key struct {
	ID        string     `json:"id"` // the public part of the key
	Principal string     `json:"principal"`
	SHA256    string     `json:"sha256"` // of the whole key, in hex
	Note      string     `json:"note,omitempty"`
	Created   time.Time  `json:"created"`
	Expires   *time.Time `json:"expires,omitempty"`
	Revoked   *time.Time `json:"revoked,omitempty"`
}

// Valid reports whether the key may be used at a time.
func (k Key) Valid(now time.Time) bool {
	return k.Revoked == nil && (k.Expires == nil || now.Before(*k.Expires))
}

type keyFile struct {
	Version int   `json:"version"` // 1
	Keys    []Key `json:"keys"`
}

// keyPrefix begins every key, so that scanners of code find one that was committed.
const keyPrefix = "fq_"

// Keys reads a file of keys.
func Keys(name string) ([]Key, error) {
	data, err := readTrusted(name)
	if err != nil {
		return nil, err
	}
	var f keyFile
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: something follows the keys", name)
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("%s: version %d is not known", name, f.Version)
	}
	seen := map[string]bool{}
	for _, k := range f.Keys {
		sum, err := hex.DecodeString(k.SHA256)
		if err != nil || len(sum) != sha256.Size || k.ID == "" || k.Principal == "" || seen[k.ID] {
			return nil, fmt.Errorf("%s: key %q is damaged or stands twice", name, k.ID)
		}
		seen[k.ID] = true
	}
	return f.Keys, nil
}

// AddKey makes a key of a principal and adds it to the file. The text of the key is nowhere else. A zero expires is never.
func AddKey(file, principal, note string, expires time.Time) (text string, k Key, err error) {
	if !principalName.MatchString(principal) {
		return "", k, fmt.Errorf("name %q of a principal: 1 to 64 of letters, digits, . _ @ - are possible", principal)
	}
	now := time.Now().UTC().Truncate(time.Second)
	if !expires.IsZero() && !expires.After(now) {
		return "", k, fmt.Errorf("the key would have expired at %s already", expires.Format(time.RFC3339))
	}
	raw := make([]byte, 4+32)
	_, _ = rand.Read(raw) // it never fails
	k = Key{ID: hex.EncodeToString(raw[:4]), Principal: principal, Note: note, Created: now}
	text = keyPrefix + k.ID + "_" + base64.RawURLEncoding.EncodeToString(raw[4:])
	sum := sha256.Sum256([]byte(text))
	k.SHA256 = hex.EncodeToString(sum[:])
	if !expires.IsZero() {
		expires = expires.UTC().Truncate(time.Second)
		k.Expires = &expires
	}
	return text, k, changeKeys(file, func(keys []Key) ([]Key, error) {
		if slices.ContainsFunc(keys, func(have Key) bool { return have.ID == k.ID }) {
			return nil, errors.New("the new key has the id of another one; try again")
		}
		return append(keys, k), nil
	})
}

// RevokeKey ends a key. It stays in the file as revoked, so that the audit log's ids can be looked up.
func RevokeKey(file, id string) error {
	return changeKeys(file, func(keys []Key) ([]Key, error) {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%s has no key %q", file, id)
		}
		if keys[i].Revoked == nil {
			now := time.Now().UTC().Truncate(time.Second)
			keys[i].Revoked = &now
		}
		return keys, nil
	})
}

// changeKeys replaces the file as a whole; two at once do not lose a change.
func changeKeys(file string, change func([]Key) ([]Key, error)) (err error) {
	lock := file + ".lock"
	l, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is being changed by another process; if there is none, remove %s", file, lock)
	}
	if err != nil {
		return err
	}
	l.Close()
	defer os.Remove(lock)
	keys, err := Keys(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the first key makes the file
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	data, err := json.MarshalIndent(keyFile{1, keys}, "", "  ")
	if err != nil {
		return err
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// keyring finds keys by their ids.
type keyring map[string]Key

func newKeyring(keys []Key) keyring {
	r := keyring{}
	for _, k := range keys {
		r[k.ID] = k
	}
	return r
}

// find is the key that text is. An unknown id takes as long as a known one, and a wrong secret says nothing of the right one.
func (r keyring) find(text string, now time.Time) (Key, bool) {
	id, _, _ := strings.Cut(strings.TrimPrefix(text, keyPrefix), "_")
	k, known := r[id]
	want := make([]byte, sha256.Size)
	if sum, err := hex.DecodeString(k.SHA256); err == nil && len(sum) == sha256.Size {
		copy(want, sum)
	}
	got := sha256.Sum256([]byte(text))
	same := subtle.ConstantTimeCompare(got[:], want) == 1
	return k, same && known && k.Valid(now)
}
