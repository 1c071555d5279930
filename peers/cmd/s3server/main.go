// Command s3server is an S3 server over a folder: versitygw, embedded. The tests start it as a process
// of its own and docker compose runs it as the local warehouse. It is not for production.
//
// Usage:
//
//	s3server -dir /data -listen 127.0.0.1:7070 -region eu-west-1 -buckets warehouse
//
// The keys come from -access-key and -secret-key, or from ROOT_ACCESS_KEY and ROOT_SECRET_KEY. Once the
// server answers, one line "ready http://ADDRESS" is printed on stdout. It ends on SIGTERM and SIGINT, and
// with -until-eof when its standard input closes, so that it never outlives the process that started it;
// -remove then removes the folder. GET /healthz answers 200.
//
// Users beside that root are made with -user name:secret, which may be repeated, and kept in -iam-dir. They may do
// only what a bucket's policy lets them: -policy bucket=file puts one, checked as by PutBucketPolicy. Principals in
// it are the names of users.
//
// Each bucket is a directory of the folder. The folder needs a file system with user extended attributes
// (ext4, xfs, tmpfs since Linux 6.6).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "`folder` of the buckets, made if absent (required)")
	listen := flag.String("listen", "127.0.0.1:7070", "`address` to listen on")
	region := flag.String("region", "eu-west-1", "region that clients must sign for")
	access := flag.String("access-key", os.Getenv("ROOT_ACCESS_KEY"), "access key (ROOT_ACCESS_KEY)")
	secret := flag.String("secret-key", os.Getenv("ROOT_SECRET_KEY"), "secret key (ROOT_SECRET_KEY)")
	buckets := flag.String("buckets", "", "comma-separated `names` of buckets to make")
	untilEOF := flag.Bool("until-eof", false, "end when standard input closes")
	remove := flag.Bool("remove", false, "remove the folder at the end")
	iamDir := flag.String("iam-dir", "", "`folder` of the users, made if absent")
	var users, policies list
	flag.Var(&users, "user", "a user, `name:secret`; may be repeated")
	flag.Var(&policies, "policy", "the policy of a bucket, `bucket=file`; may be repeated")
	flag.Parse()

	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *dir == "":
		return errors.New("-dir is required")
	case *access == "" || *secret == "":
		return errors.New("-access-key and -secret-key are required")
	case *iamDir == "" && len(users)+len(policies) > 0:
		return errors.New("-user and -policy need -iam-dir")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	wd, err := os.Getwd() // the backend changes it
	if err != nil {
		return err
	}
	abs, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	if err := makeBuckets(abs, *buckets); err != nil {
		return err
	}
	if *remove {
		defer os.RemoveAll(abs)
	}
	var iam auth.IAMService
	if *iamDir != "" {
		if iam, err = makeUsers(*iamDir, auth.Account{Access: *access, Secret: *secret, Role: auth.RoleAdmin}, users); err != nil {
			return err
		}
	}
	backend, err := posix.New(abs, meta.XattrMeta{}, posix.PosixOpts{})
	if err != nil {
		return fmt.Errorf("open folder %s: %w", abs, err)
	}
	if err := putPolicies(ctx, backend, iam, wd, policies); err != nil {
		return err
	}
	return serve(ctx, backend, &embedgw.Config{
		IAMService:        iam,
		RootUserAccess:    *access,
		RootUserSecret:    *secret,
		Region:            *region,
		Ports:             []string{*listen},
		Quiet:             true,
		KeepAlive:         true,
		HealthPath:        "/healthz",
		MaxConnections:    1000,
		MaxRequests:       500,
		MultipartMaxParts: 10000,
	})
}

// makeBuckets makes the folder and the named buckets in it. In the posix backend a bucket is a directory.
func makeBuckets(dir, names string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
			return fmt.Errorf("bucket %q is no bucket name", name)
		}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, backend *posix.Posix, cfg *embedgw.Config) error {
	// The library takes over the address only when it starts; a taken one is reported here.
	l, err := net.Listen("tcp", cfg.Ports[0])
	if err != nil {
		return err
	}
	l.Close()

	go func() {
		if err := waitReady(ctx, cfg.Ports[0]+cfg.HealthPath); err == nil {
			fmt.Printf("ready http://%s\n", cfg.Ports[0])
		}
	}()
	if err := embedgw.RunVersityGW(ctx, backend, cfg); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// waitReady returns nil once the health path answers, or the error of ctx.
func waitReady(ctx context.Context, address string) error {
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	for {
		resp, err := http.Get("http://" + address)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
