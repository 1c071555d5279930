package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// s3server runs peers/cmd/s3server, which ends when this process does, and gives a warehouse on it.
func (b *bench) s3server() (warehouse string, stop func(), err error) {
	exe, err := b.peer("s3server", "0")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := l.Addr().String()
	l.Close()
	const region, key, secret = "eu-west-1", "bench", "bench-secret"
	cmd := exec.CommandContext(b.ctx, exe, "-dir", filepath.Join(b.dir, "s3"), "-listen", address, "-region", region, "-buckets", "warehouse", "-until-eof")
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+key, "ROOT_SECRET_KEY="+secret)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("s3server: %w", err)
	}
	stop = func() {
		stdin.Close()
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready ") {
			b.env = []string{
				"AWS_ENDPOINT_URL_S3=http://" + address, "AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_SESSION_TOKEN=", "AWS_REGION=" + region,
				"AWS_PROFILE=", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
			}
			return "s3://warehouse", stop, nil
		}
	}
	stop()
	return "", nil, errors.New("s3server ended before it was ready")
}
