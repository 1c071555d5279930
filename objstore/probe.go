package objstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"
)

// probe writes a key of its own twice, on condition that it is free, reads it back and removes it.
func probe(ctx context.Context, s Store, advice string) (err error) {
	key := "_probe-" + rand.Text()
	data := []byte(key)
	fail := func(kind error, why string) error {
		return &failure{op: "probe", location: s.Root(), kind: kind, why: why}
	}
	err = s.Create(ctx, key, data)
	if err != nil && !errors.Is(err, ErrExist) { // ErrExist: our own, written by an attempt whose answer was lost
		return fmt.Errorf("probe: %w", err)
	}
	defer func() {
		// Also after a cancelled or failed probe nothing of it should stay.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if removed := s.Delete(cleanup, key); err == nil && removed != nil {
			err = fmt.Errorf("probe: %w", removed)
		}
	}()
	err = s.Create(ctx, key, data)
	if err == nil {
		return fail(ErrNoConditional, "it took the same key twice, so two writers could overwrite each other's commits; "+advice)
	}
	if !errors.Is(err, ErrExist) {
		return fmt.Errorf("probe: %w", err)
	}
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if !bytes.Equal(got, data) {
		return fail(ErrCorrupt, fmt.Sprintf("wrote %d bytes and read %d others back", len(data), len(got)))
	}
	return nil
}
