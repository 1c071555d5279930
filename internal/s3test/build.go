package s3test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// binary returns the path of the server's executable and builds it where it is not yet there. Its name holds
// the digest of what it is built from. Several test binaries may ask at once: one builds, the others wait.
func binary() (string, error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	peers := filepath.Join(root, "peers")
	digest, err := sources(peers)
	if err != nil {
		return "", err
	}
	cache, err := cacheFolder(root)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, "s3server-"+digest)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	unlock, err := lock(filepath.Join(cache, "s3server.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	return bin, build(peers, bin)
}

// build compiles the server to bin, which appears whole or not at all.
func build(peers, bin string) error {
	temp := fmt.Sprintf("%s.%d", bin, os.Getpid())
	defer os.Remove(temp)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", temp, "./cmd/s3server")
	cmd.Dir = peers
	// Flags and modes that are meant for the product's module do not hold for this one.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", peers, err, out)
	}
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(bin), "s3server-*"))
	for _, path := range old {
		if path != temp {
			os.Remove(path)
		}
	}
	return os.Rename(temp, bin)
}

// sources is a digest of the files that the server is built from and of the tool that builds it.
func sources(peers string) (string, error) {
	files, err := filepath.Glob(filepath.Join(peers, "cmd", "s3server", "*.go"))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, path := range append(files, filepath.Join(peers, "go.mod"), filepath.Join(peers, "go.sum")) {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(path), len(data))
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// checkout is the folder above the working one that holds this project.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module frostline\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no folder above the working one holds the module frostline")
		}
		dir = parent
	}
}

// cacheFolder is the checkout's .cache, or the user's cache where the checkout cannot be written.
func cacheFolder(root string) (string, error) {
	dir := filepath.Join(root, ".cache")
	if os.MkdirAll(dir, 0o755) == nil {
		if probe, err := os.CreateTemp(dir, "probe-"); err == nil {
			probe.Close()
			os.Remove(probe.Name())
			return dir, nil
		}
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(user, "frostline")
	return dir, os.MkdirAll(dir, 0o755)
}

// lock takes the file at path for this process alone, and waits for it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
