// Package lru keeps values in memory within a number and a weight. What the weight counts is the caller's: the caches of
// metadata use it for bytes.
package lru

import (
	"container/list"
	"sync"
)

// Cache keeps values within two limits, the least recently used ones leaving first. The latest stays whatever its weight. All
// methods may be called at once.
type Cache[K comparable, V any] struct {
	mu        sync.Mutex
	maxCount  int
	maxWeight int64
	weight    int64
	hits      int64
	misses    int64
	order     *list.List // of *kept[K, V], most recent first
	byKey     map[K]*list.Element
}

type kept[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

// New is an empty cache of at most count values that weigh at most weight together.
func New[K comparable, V any](count int, weight int64) *Cache[K, V] {
	return &Cache[K, V]{maxCount: count, maxWeight: weight, order: list.New(), byKey: map[K]*list.Element{}}
}

// Get is the value of k, which becomes the most recently used.
func (c *Cache[K, V]) Get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.byKey[k]
	if el == nil {
		c.misses++
		return v, false
	}
	c.hits++
	c.order.MoveToFront(el)
	return el.Value.(*kept[K, V]).value, true
}

// Put adds v unless k has a value already.
func (c *Cache[K, V]) Put(k K, v V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[k] != nil {
		return
	}
	c.byKey[k] = c.order.PushFront(&kept[K, V]{key: k, value: v, weight: weight})
	c.weight += weight
	for c.order.Len() > 1 && (c.order.Len() > c.maxCount || c.weight > c.maxWeight) {
		last := c.order.Remove(c.order.Back()).(*kept[K, V])
		delete(c.byKey, last.key)
		c.weight -= last.weight
	}
}

// Weight is the sum of what the kept values weigh.
func (c *Cache[K, V]) Weight() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.weight
}

// Hits are how often Get has found a value, and how often not.
func (c *Cache[K, V]) Hits() (hits, misses int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses
}

// Len is the number of kept values.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
