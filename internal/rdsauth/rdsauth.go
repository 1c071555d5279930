// Package rdsauth makes the passwords of RDS and Aurora's IAM authentication: signed tokens that are good for
// one connection's start, within 15 minutes.
package rdsauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

// chain reads the standard AWS chain of credentials once: it caches them and makes them anew before they expire.
var chain = sync.OnceValues(func() (aws.Config, error) { return config.LoadDefaultConfig(context.Background()) })

// Token is the password for user at hostPort, of the region that the endpoint's name says, else that of the AWS chain
// (AWS_REGION).
func Token(ctx context.Context, hostPort, user string) (string, error) {
	c, err := chain()
	if err != nil {
		return "", fmt.Errorf("AWS configuration: %w", err)
	}
	return token(ctx, hostPort, user, c)
}

func token(ctx context.Context, hostPort, user string, c aws.Config) (string, error) {
	region := regionOf(hostPort)
	if region == "" {
		region = c.Region
	}
	if region == "" {
		return "", errors.New("no region: set AWS_REGION")
	}
	return auth.BuildAuthToken(ctx, hostPort, region, user, c.Credentials)
}

// endpoint is the name of an instance, a cluster or a proxy: name.id.region.rds.amazonaws.com, also in China.
var endpoint = regexp.MustCompile(`\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com(?:\.cn)?\.?$`)

func regionOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	if m := endpoint.FindStringSubmatch(host); m != nil {
		return m[1]
	}
	return ""
}
