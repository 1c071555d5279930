package rest

import (
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// mediaTypes are the formats of rows, the default first.
var mediaTypes = []struct {
	format api.Format
	media  string
}{
	{api.FormatJson, "application/json"},
	{api.FormatJsonl, "application/x-ndjson"},
	{api.FormatCsv, "text/csv"},
	{api.FormatArrow, "application/vnd.apache.arrow.stream"},
	{api.FormatParquet, "application/vnd.apache.parquet"},
}

// NotAcceptable is the code of an answer that no format of the request's Accept can take.
const notAcceptable query.Code = "not_acceptable"

// format is the format of the answer: the one asked for, else what the header Accept likes best, else JSON.
func (s *Server) format(c echo.Context, asked api.Format) (api.Format, error) {
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderAccept)
	best := asked
	if best == "" {
		accept := strings.Join(c.Request().Header.Values(echo.HeaderAccept), ",")
		if strings.TrimSpace(accept) == "" {
			return api.FormatJson, nil
		}
		likes, top := weights(accept), 0.0
		for _, m := range mediaTypes {
			if q := weightOf(likes, m.media); q > top {
				best, top = m.format, q
			}
		}
	}
	if best == "" || best == api.FormatParquet && s.opt.Parquet == nil {
		var names []string
		for _, m := range mediaTypes {
			if m.format != api.FormatParquet || s.opt.Parquet != nil {
				names = append(names, m.media)
			}
		}
		return "", &query.Error{Code: notAcceptable, Field: "Accept", Msg: "the answer cannot be given in a format that was asked for",
			Hint: "known: " + strings.Join(names, ", ")}
	}
	return best, nil
}

// mediaType is the Content-Type of f.
func mediaType(f api.Format) string {
	for _, m := range mediaTypes {
		if m.format == f {
			if f == api.FormatCsv {
				return m.media + "; charset=utf-8; header=present"
			}
			return m.media
		}
	}
	return echo.MIMEOctetStream
}

// weight is one item of a header like Accept.
type weight struct {
	name string
	q    float64
}

// weights reads a list of names with ;q= weights. What is malformed is left out.
func weights(header string) []weight {
	var out []weight
	for item := range strings.SplitSeq(header, ",") {
		parts := strings.Split(item, ";")
		w := weight{strings.ToLower(strings.TrimSpace(parts[0])), 1}
		for _, p := range parts[1:] {
			if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, "q") {
				q, err := strconv.ParseFloat(v, 64)
				if err != nil || !(q >= 0 && q <= 1) {
					w.name = ""
				}
				w.q = q
			}
		}
		if w.name != "" {
			out = append(out, w)
		}
	}
	return out
}

// weightOf is the weight of a media type: that of its name, else of type/*, else of */*.
func weightOf(list []weight, media string) float64 {
	kind, _, _ := strings.Cut(media, "/")
	for _, name := range []string{media, kind + "/*", "*/*"} {
		for _, w := range list {
			if w.name == name {
				return w.q
			}
		}
	}
	return 0
}

// coding is the content coding of an answer that the request takes: "zstd", "gzip", or "" for none.
func coding(accept string) string {
	best, top := "", 0.0
	list := weights(accept)
	for _, name := range []string{"zstd", "gzip"} {
		for _, w := range list {
			if (w.name == name || w.name == "*") && w.q > top {
				best, top = name, w.q
			}
		}
	}
	return best
}
