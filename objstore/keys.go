package objstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Location is the absolute location of key in s.
func Location(s Store, key string) string { return s.Root() + "/" + key }

// Key is the key of an absolute location in s; ErrOutside when it is not below the root or holds empty, "." or
// ".." segments.
func Key(s Store, location string) (string, error) {
	key, ok := strings.CutPrefix(location, s.Root()+"/")
	if !ok {
		return "", fmt.Errorf("location %q: %w %s", location, ErrOutside, s.Root())
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return key, nil
}

// checkKey returns ErrOutside unless key keeps the rules of the package comment.
func checkKey(key string) error {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("key %q: %w: it has an empty, \".\" or \"..\" segment", key, ErrOutside)
		}
	}
	if strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return fmt.Errorf("key %q: %w: it is not UTF-8 or has a zero byte", key, ErrOutside)
	}
	return nil
}

// checkPrefix is checkKey for the prefix of a listing, whose last segment may be empty or the start of one.
func checkPrefix(prefix string) error {
	last := prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		last = prefix[i+1:]
		if err := checkKey(prefix[:i]); err != nil {
			return err
		}
	}
	return checkKey("x" + last)
}

// Segment encodes one name as a path segment of [A-Za-z0-9_-] and "=": every other byte, the dot
// included, becomes ".XX" (upper hex), so that different names never meet. The empty name is ".empty".
func Segment(name string) string {
	if name == "" {
		return ".empty"
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '=':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, ".%02X", c)
		}
	}
	return b.String()
}
