package cachestore

import "container/list"

// blockID names a block of a data file.
type blockID struct {
	key   string
	index int64
}

// memory keeps blocks within a number of bytes, the least recently used leaving first. Blocks never change. The caller locks.
type memory struct {
	most, bytes int64
	order       *list.List // of *block, most recent first
	blocks      map[blockID]*list.Element
}

type block struct {
	id   blockID
	data []byte
}

// blockOverhead is what a kept block takes beside its data: the key, the map's slot, the list's element.
const blockOverhead = 384

func newMemory(most int64) memory {
	return memory{most: most, order: list.New(), blocks: map[blockID]*list.Element{}}
}

// get is the data of a block, nil when it is not kept.
func (m *memory) get(id blockID) []byte {
	el := m.blocks[id]
	if el == nil {
		return nil
	}
	m.order.MoveToFront(el)
	return el.Value.(*block).data
}

// put keeps data, in the place of a shorter block of that name. One that nobody has asked for is the first to leave.
func (m *memory) put(id blockID, data []byte, asked bool) {
	if el := m.blocks[id]; el != nil {
		if len(el.Value.(*block).data) >= len(data) {
			return
		}
		m.drop(el)
	}
	if blockOverhead+int64(len(data)) > m.most {
		return
	}
	if asked {
		m.blocks[id] = m.order.PushFront(&block{id, data})
	} else {
		m.blocks[id] = m.order.PushBack(&block{id, data})
	}
	m.bytes += blockOverhead + int64(len(data))
	for m.bytes > m.most {
		m.drop(m.order.Back())
	}
}

func (m *memory) drop(el *list.Element) {
	b := m.order.Remove(el).(*block)
	delete(m.blocks, b.id)
	m.bytes -= blockOverhead + int64(len(b.data))
}

// remove drops the blocks of a key.
func (m *memory) remove(key string) {
	for el := m.order.Front(); el != nil; {
		next := el.Next()
		if el.Value.(*block).id.key == key {
			m.drop(el)
		}
		el = next
	}
}
