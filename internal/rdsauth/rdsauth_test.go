package rdsauth

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestRegionOf(t *testing.T) {
	for host, want := range map[string]string{
		"db.cluster-c1ab2.eu-west-1.rds.amazonaws.com:5432":    "eu-west-1",
		"db.c1ab2.us-gov-west-1.rds.amazonaws.com":             "us-gov-west-1",
		"proxy.proxy-c1ab2.ap-southeast-2.rds.amazonaws.com:1": "ap-southeast-2",
		"db.c1ab2.cn-north-1.rds.amazonaws.com.cn:5432":        "cn-north-1",
		"127.0.0.1:5432":             "",
		"eu-west-1.example.com:5432": "",
		"db.c1ab2.eu-west-1.rds.amazonaws.com.evil.example:5432": "",
	} {
		if got := regionOf(host); got != want {
			t.Errorf("%s: region %q, want %q", host, got, want)
		}
	}
}

func TestToken(t *testing.T) {
	creds := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "very-secret"}, nil
	})
	got, err := token(t.Context(), "db.c1.eu-west-1.rds.amazonaws.com:5432", "archiver", aws.Config{Region: "us-east-1", Credentials: creds})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("https://" + got)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Host != "db.c1.eu-west-1.rds.amazonaws.com:5432" || q.Get("Action") != "connect" || q.Get("DBUser") != "archiver" ||
		q.Get("X-Amz-Expires") != "900" || !strings.HasSuffix(q.Get("X-Amz-Credential"), "/eu-west-1/rds-db/aws4_request") {
		t.Errorf("token of another shape: host %s, %v", u.Host, q)
	}
	if strings.Contains(got, "very-secret") {
		t.Error("the secret stands in the token")
	}
	if _, err := token(t.Context(), "localhost:5432", "archiver", aws.Config{Credentials: creds}); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
}
