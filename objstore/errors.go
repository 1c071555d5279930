package objstore

import "errors"

// failure is an error of a store: one line of operation, location and reason for the reader, and the kind
// (one of the package's errors, or nil) and the cause for errors.Is and errors.As.
type failure struct {
	op, location string
	kind         error
	why          string
	cause        error
}

func (f *failure) Error() string {
	text := f.op + " " + f.location
	if f.kind != nil {
		text += ": " + f.kind.Error()
	}
	if f.why != "" {
		text += ": " + f.why
	}
	return text
}

func (f *failure) Unwrap() []error {
	var all []error
	for _, err := range []error{f.kind, f.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// classified says whether err already is one of this package's.
func classified(err error) bool {
	var f *failure
	return errors.As(err, &f) || errors.Is(err, ErrOutside)
}

// sourceFailure is the error of a Put to location whose data could not be read.
func sourceFailure(location string, err error) error {
	return &failure{op: "put", location: location, cause: err,
		why: "the data to write ended in an error: " + err.Error()}
}
