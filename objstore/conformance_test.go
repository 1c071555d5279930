package objstore_test

import (
	"testing"

	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/objstore/storetest"
)

func openFileStore(t *testing.T) objstore.Store {
	t.Helper()
	return open(t, "file://"+t.TempDir()+"/ware house", objstore.Options{})
}

func openS3Store(t *testing.T) objstore.Store {
	t.Helper()
	return open(t, s3test.Start(t).Warehouse(t), objstore.Options{})
}

func open(t *testing.T, location string, o objstore.Options) objstore.Store {
	t.Helper()
	s, err := objstore.Open(t.Context(), location, o)
	if err != nil {
		t.Fatalf("Open(%q): %v", location, err)
	}
	return s
}

func TestFile(t *testing.T) { storetest.Run(t, openFileStore) }

func TestS3(t *testing.T) { storetest.Run(t, openS3Store) }

func TestFileBehindFaults(t *testing.T) {
	storetest.Run(t, func(t *testing.T) objstore.Store { return faultstore.Wrap(openFileStore(t)) })
}

func TestS3BehindFaults(t *testing.T) {
	storetest.Run(t, func(t *testing.T) objstore.Store { return faultstore.Wrap(openS3Store(t)) })
}
