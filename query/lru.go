package query

import (
	"container/list"
	"sync"
)

// lru keeps values within two limits, the least recently used ones leaving first. The latest stays
// whatever its weight.
type lru[K comparable, V any] struct {
	mu        sync.Mutex
	maxCount  int
	maxWeight int64
	weight    int64
	order     *list.List // of *kept[K, V], most recent first
	byKey     map[K]*list.Element
}

type kept[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newLRU[K comparable, V any](count int, weight int64) *lru[K, V] {
	return &lru[K, V]{maxCount: count, maxWeight: weight, order: list.New(), byKey: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.byKey[k]
	if el == nil {
		return v, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*kept[K, V]).value, true
}

// put adds v unless k has a value already.
func (c *lru[K, V]) put(k K, v V, weight int64) {
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
