package postgres

import (
	"bufio"
	"encoding/binary"
	"io"
)

const (
	// readAhead is read from the server at once: a COPY arrives in many small messages, and larger reads save a third of
	// the system calls.
	readAhead = 256 << 10

	// longestCopyData is what a CopyData message may hold without being cut. The driver takes a message of this size
	// into a buffer of a power of two.
	longestCopyData = 64 << 10

	headBytes = 5 // of a message: its type, and an int32 length that counts itself
)

// messages is the stream of the server's messages for the driver, which takes each whole into memory. A CopyData message is
// a row, and a row may have a gigabyte: such a message is passed on as several, since the boundaries of CopyData messages
// mean nothing (manual page "Message Flow", COPY Operations). Everything else passes as it is.
type messages struct {
	r    *bufio.Reader
	left int    // bytes of the current message to pass, or of its current piece
	rest int    // bytes of the message after the piece
	head []byte // of a message or piece, not passed yet; in headRoom
	room [headBytes]byte
}

func newMessages(r io.Reader) *messages { return &messages{r: bufio.NewReaderSize(r, readAhead)} }

func (m *messages) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(m.head) == 0 && m.left == 0 {
		if m.rest > 0 {
			m.piece()
		} else if n, err := m.whole(p); n > 0 || err != nil {
			return n, err
		}
	}
	if len(m.head) > 0 {
		n := copy(p, m.head)
		m.head = m.head[n:]
		return n, nil
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// whole passes as many messages as p and the buffer hold, the last one perhaps in part. Where not even a head fits, or where the
// message is to be cut, it passes nothing but takes the head.
func (m *messages) whole(p []byte) (int, error) {
	if _, err := m.r.Peek(headBytes); err != nil {
		if n := m.r.Buffered(); err == io.EOF && n > 0 { // the stream ends in a head
			n = copy(p, m.peek(n))
			_, _ = m.r.Discard(n) // it is buffered
			return n, nil
		}
		return 0, err
	}
	b := m.peek(min(m.r.Buffered(), len(p)))
	at := 0
	for len(b)-at >= headBytes {
		size, long := message(b[at:])
		if long {
			break
		}
		at += headBytes + size
		if at >= len(b) {
			m.left = at - len(b)
			at = len(b)
			break
		}
	}
	if at > 0 {
		n := copy(p, b[:at])
		_, _ = m.r.Discard(n)
		return n, nil
	}
	m.head = append(m.room[:0], m.peek(headBytes)...)
	_, _ = m.r.Discard(headBytes)
	size, long := message(m.head)
	if long {
		m.rest = size
		m.piece()
	} else {
		m.left = size
	}
	return 0, nil
}

// peek is the next n bytes, which are buffered.
func (m *messages) peek(n int) []byte {
	b, _ := m.r.Peek(n)
	return b
}

// message is the size of a message's body, and whether it is to be cut. A length that no message has is passed on as a head
// alone, for the driver to refuse.
func message(head []byte) (size int, long bool) {
	size = int(int32(binary.BigEndian.Uint32(head[1:]))) - 4
	return max(size, 0), head[0] == 'd' && size > longestCopyData
}

// piece makes the head of the next piece of a message that is cut.
func (m *messages) piece() {
	m.left = min(m.rest, longestCopyData)
	m.rest -= m.left
	m.head = append(m.room[:0], 'd')
	m.head = binary.BigEndian.AppendUint32(m.head, uint32(m.left+4))
}
