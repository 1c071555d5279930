package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// makeUsers opens the folder of users, and makes those that are not there yet. They have the role "user": what they
// may do stands in the buckets' policies alone.
func makeUsers(dir string, root auth.Account, users []string) (auth.IAMService, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	iam, err := auth.NewInternal(root, dir)
	if err != nil {
		return nil, err
	}
	for _, user := range users {
		name, secret, ok := strings.Cut(user, ":")
		if !ok || name == "" || secret == "" {
			return nil, errors.New("-user wants name:secret")
		}
		err := iam.CreateAccount(auth.Account{Access: name, Secret: secret, Role: auth.RoleUser})
		if err != nil && !errors.Is(err, auth.ErrUserExists) {
			return nil, fmt.Errorf("make user %s: %w", name, err)
		}
	}
	return iam, nil
}

// putPolicies gives buckets their policies. Paths of files are relative to wd.
func putPolicies(ctx context.Context, backend *posix.Posix, iam auth.IAMService, wd string, policies []string) error {
	for _, policy := range policies {
		bucket, path, ok := strings.Cut(policy, "=")
		if !ok || bucket == "" {
			return fmt.Errorf("-policy %q: want bucket=file", policy)
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(wd, path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := auth.ValidatePolicyDocument(text, bucket, iam); err != nil {
			return fmt.Errorf("policy of bucket %s: %w", bucket, err)
		}
		if err := backend.PutBucketPolicy(ctx, bucket, text); err != nil {
			return fmt.Errorf("policy of bucket %s: %w", bucket, err)
		}
	}
	return nil
}
