package load

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"frostline/postgres"
)

// maxRejected is how many rejected rows end a load unless told otherwise: a wrong column rejects them all.
const maxRejected = 1000

// reject is one line of the dead-letter file.
type reject struct {
	File   string          `json:"file"`
	Row    int64           `json:"row"` // in the file, from 1
	Reason string          `json:"reason"`
	State  string          `json:"sqlstate,omitempty"`
	Data   json.RawMessage `json:"data"` // target column → text, null
}

// data is a line of text COPY as a JSON object, in the order of the columns.
func (p *plan) data(line []byte) json.RawMessage {
	values := fields(line)
	dst := []byte{'{'}
	for i, c := range p.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, c.target), ':')
		if i >= len(values) || values[i] == nil {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, strings.ToValidUTF8(*values[i], "\uFFFD"))
		}
	}
	return append(dst, '}')
}

// take counts a rejected row: an error when it is one too many, or when nothing takes it.
func (p *plan) take(r reject) error {
	limit := int64(p.req.MaxRejected)
	if limit == 0 {
		limit = maxRejected
	}
	switch n := p.rejected.Add(1); {
	case p.req.DeadLetter == "":
		return fmt.Errorf("%s, row %d: %w: %s; --dead-letter takes such rows and goes on", r.File, r.Row, ErrRejected, r.Reason)
	case limit > 0 && n > limit:
		return fmt.Errorf("%s, row %d: %w: %s; it is one more than the %d that --max-rejected allows", r.File, r.Row, ErrRejected, r.Reason, limit)
	}
	return nil
}

func (s *sender) reject(r reject) error {
	s.taken.Add(1)
	if err := s.p.take(r); err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("%s, row %d: %w", r.File, r.Row, err)
	}
	s.rejects = append(append(s.rejects, line...), '\n')
	return nil
}

// reason is what the server said, without the operation op.
func reason(op string, err error) string {
	text := strings.TrimPrefix(err.Error(), op+": ")
	for _, kind := range []error{postgres.ErrBadValue, postgres.ErrForeignKey} {
		if _, after, ok := strings.Cut(text, ": "+kind.Error()+": "); ok {
			return after
		}
	}
	return text
}

// writeDeadLetter writes the file wholly, or leaves it as it was.
func writeDeadLetter(path string, lines []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".dead-letter-*")
	if err != nil {
		return fmt.Errorf("write the dead-letter file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write the dead-letter file %s: %w; the target is as it was", path, err)
		}
	}()
	if _, err = f.Write(lines); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
