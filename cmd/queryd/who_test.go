package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"frostline/query/querytest"
)

// Keys are made, used from the command line, listed and revoked while the server runs; SIGHUP opens the audit log anew.
func TestPrincipals(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	dir := t.TempDir()
	principals, keys, audit, ready := filepath.Join(dir, "principals.yaml"), filepath.Join(dir, "keys.json"), filepath.Join(dir, "audit"), filepath.Join(dir, "ready")
	if err := os.WriteFile(principals, []byte("version: 1\nprincipals:\n  - name: ada\n    grants:\n      - tables: [public.*]\n        rows: id < 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) (int, string, string) {
		var stdout, stderr output
		code := run(context.Background(), args, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, key, text := do("keys", "add", "ada", "--keys", keys, "--note", "a test", "--ttl", "1h")
	if code != 0 || !regexp.MustCompile(`^fq_[0-9a-f]{8}_[A-Za-z0-9_-]{43}\n$`).MatchString(key) || !strings.Contains(text, "shown this once") {
		t.Fatalf("%d %q %s", code, key, text)
	}
	key = strings.TrimSpace(key)
	id := key[3:11]
	if code, list, _ := do("keys", "list", "--keys", keys); code != 0 || !regexp.MustCompile(`(?m)^`+id+`  ada        valid  .*  "a test"$`).MatchString(list) || strings.Contains(list, key[12:]) {
		t.Errorf("%d %s", code, list)
	}

	var stdout, stderr output
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"--listen", ":0", "--warehouse", w.Store.Root(), "--ready-file", ready, "--principals", principals, "--keys", keys, "--audit", audit}, &stdout, &stderr)
	}()
	var v struct{ Listening string }
	for start := time.Now(); v.Listening == ""; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("not ready: %s", stderr.String())
		}
		if line, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !strings.Contains(stderr.String(), "there is no TLS") {
		t.Errorf("no warning: %s", stderr.String())
	}
	ask := func() (int, string, string) {
		return do("query", "--server", "http://127.0.0.1:"+v.Listening[strings.LastIndex(v.Listening, ":")+1:], "--table", "public.events", "--columns", "id", "--format", "jsonl")
	}
	if code, _, text := ask(); code == 0 || !strings.Contains(text, "wants to know who asks") {
		t.Errorf("without a key: %d %s", code, text)
	}
	t.Setenv("QUERYD_KEY", key)
	if code, out, text := ask(); code != 0 || out != "{\"id\":0}\n{\"id\":1}\n{\"id\":2}\n" {
		t.Errorf("%d %q %s", code, out, text)
	}
	if err := os.Rename(audit, audit+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(audit); err == nil {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("the audit log is not opened anew")
		}
	}
	if code, _, text := do("keys", "revoke", id, "--keys", keys); code != 0 {
		t.Errorf("%d %s", code, text)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, _, text := ask()
		if code != 0 && strings.Contains(text, "the API key is not valid") {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("revoked: %d %s", code, text)
		}
	}
	cancel()
	if c := <-done; c != 0 {
		t.Errorf("exit code %d: %s", c, stderr.String())
	}
	old, err := os.ReadFile(audit + ".1")
	if err != nil || !strings.Contains(string(old), `"principal":"ada","caller":"ada","by":"key `+id+`"`) {
		t.Errorf("%v %s", err, old)
	}
	if all := string(old) + stderr.String(); strings.Contains(all, key[12:]) {
		t.Errorf("a log has the key: %s", all)
	}
	if _, list, _ := do("keys", "list", "--keys", keys); !strings.Contains(list, "  revoked  ") {
		t.Errorf("%s", list)
	}
}
