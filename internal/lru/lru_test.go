package lru

import "testing"

func TestCache(t *testing.T) {
	c := New[string, int](3, 100)
	has := func(want ...string) {
		t.Helper()
		if c.Len() != len(want) {
			t.Errorf("%d values are kept, want %d", c.Len(), len(want))
		}
		for _, k := range want {
			if c.byKey[k] == nil {
				t.Errorf("%q is not kept", k)
			}
		}
	}
	for i, k := range []string{"a", "b", "c"} {
		c.Put(k, i, 30)
	}
	has("a", "b", "c")
	if v, ok := c.Get("a"); v != 0 || !ok { // and is the latest used
		t.Errorf("a is %d, %v", v, ok)
	}
	c.Put("d", 3, 10) // one too many
	has("a", "c", "d")
	c.Put("e", 4, 50) // too many and too heavy
	has("a", "d", "e")
	if w := c.Weight(); w != 90 {
		t.Errorf("weight %d, want 90", w)
	}
	c.Put("a", 99, 1) // there already
	if v, _ := c.Get("a"); v != 0 || c.Weight() != 90 {
		t.Errorf("a is %d, weight %d", v, c.Weight())
	}
	c.Put("huge", 5, 1000)
	has("huge")
	if _, ok := c.Get("d"); ok {
		t.Error("d is kept beside what fills the cache alone")
	}
}
