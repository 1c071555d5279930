package predicate

import "testing"

// What ->> makes of a string of json, as PostgreSQL 15 does; "" is its error.
func TestJSONString(t *testing.T) {
	for in, want := range map[string]string{
		`"a\"\\\/\b\f\n\r\tz"`:        "a\"\\/\b\f\n\r\tz",
		`"\u00e9\u65E5\ufffd"`:        "é日\ufffd",
		`"\ud83d\ude00 \uD83D\uDE00"`: "😀 😀",
		`"\u0000"`:                    "",
		`"\ud83d"`:                    "",
		`"\ude00"`:                    "",
		`"\ud83d\u0041 \ufffd"`:       "", // nor does another escape make it one
		`"\ud83d\ud83d\ufffd"`:        "",
		`"\ud83dx\ufffd"`:             "",
	} {
		if got, err := jsonString(in); got != want || (err != nil) != (want == "") {
			t.Errorf("%s is %q, %v, want %q", in, got, err, want)
		}
	}
}
