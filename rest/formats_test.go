package rest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/klauspost/compress/zstd"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/restio"
	"frostline/objstore/faultstore"
	"frostline/parquetio"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// kinds is a table of one partition with a column of each kind of value that formats treat apart.
func kinds(t *testing.T, w *querytest.Warehouse) {
	amount := querytest.Col("amount", coltype.Decimal, coltype.WireNumeric, "numeric")
	amount.Type.Precision, amount.Type.Scale, amount.Type.Name = 20, 2, "numeric(20,2)"
	elem := coltype.Type{Kind: coltype.Int64, Wire: coltype.WireInt8, Name: "bigint", Base: "int8"}
	tags := querytest.Col("tags", coltype.List, coltype.WireArray, "_int8")
	tags.Type.Elem, tags.Type.Delim, tags.Type.Name = &elem, ",", "bigint[]"
	tab := w.Table(t, "public", "kinds", querytest.Columns(
		querytest.Col("big", coltype.Int64, coltype.WireInt8, "int8"), amount,
		querytest.Col("text", coltype.String, coltype.WireRaw, "text"),
		querytest.Col("raw", coltype.Binary, coltype.WireRaw, "bytea"),
		querytest.Col("f", coltype.Float64, coltype.WireFloat8, "float8"),
		querytest.Col("ok", coltype.Bool, coltype.WireBool, "bool"),
		querytest.Col("at", coltype.TimestampTZ, coltype.WireTimestamp, "timestamptz"),
		querytest.Col("day", coltype.Date, coltype.WireDate, "date"), tags,
	), iceberg.PartitionSpec{})
	tab.Add(t, "k=1", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t,
		`{"big":9007199254740993,"amount":"123456789012345678.90","text":"a,\"b\"\n","raw":"AP8=","f":0.1,"ok":true,"at":"2024-01-31 13:00:00.5Z","day":"2024-01-31","tags":[1,null,9007199254740993]},`+
			`{"big":-9007199254740992,"amount":"0.05","text":"","raw":"","f":1e300,"ok":false,"at":null,"day":null,"tags":[],"_pg_exact":[{"key":"at","value":"infinity"},{"key":"day","value":"-infinity"}]},`+
			`{"big":null,"amount":null,"text":null,"raw":null,"f":null,"ok":null,"at":null,"day":null,"tags":null}`)}})
}

func (a *api) get(t *testing.T, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest("GET", a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

const kindsQuery = "/api/v1/archives/query?archivePath=public/kinds"

func TestTextFormats(t *testing.T) {
	w := querytest.New(t)
	kinds(t, w)
	a := serve(t, w, query.Options{}, rest.Options{})
	first := `{"big":9007199254740993,"amount":123456789012345678.90,"text":"a,\"b\"\n","raw":"AP8=","f":0.1,"ok":true,"at":"2024-01-31T13:00:00.5Z","day":"2024-01-31","tags":[1,null,9007199254740993]}`
	second := `{"big":-9007199254740992,"amount":0.05,"text":"","raw":"","f":1e+300,"ok":false,"at":"infinity","day":"-infinity","tags":[]}`
	third := `{"big":null,"amount":null,"text":null,"raw":null,"f":null,"ok":null,"at":null,"day":null,"tags":null}`
	for _, tt := range []struct{ name, query, accept, media, want string }{
		{"json lines", "&format=jsonl", "", "application/x-ndjson", first + "\n" + second + "\n" + third + "\n"},
		{"json lines by Accept", "", "application/x-ndjson", "application/x-ndjson", first + "\n" + second + "\n" + third + "\n"},
		{"format wins over Accept", "&format=jsonl&limit=1", "text/csv", "application/x-ndjson", first + "\n"},
		{"the best of Accept", "&limit=1&columns=big", "text/csv;q=0.5, application/x-ndjson;q=0.9, */*;q=0.1", "application/x-ndjson", `{"big":9007199254740993}` + "\n"},
		{"text/* is csv", "&limit=1&columns=big", "text/*", "text/csv; charset=utf-8; header=present", "big\r\n9007199254740993\r\n"},
		{"a browser gets json", "&limit=0", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json", ""},
		{"numbers as strings", "&format=jsonl&numbers=string&columns=big,amount,f,tags", "", "application/x-ndjson",
			`{"big":"9007199254740993","amount":"123456789012345678.90","f":0.1,"tags":[1,null,"9007199254740993"]}` + "\n" +
				`{"big":-9007199254740992,"amount":"0.05","f":1e+300,"tags":[]}` + "\n" + `{"big":null,"amount":null,"f":null,"tags":null}` + "\n"},
		{"csv", "&format=csv", "", "text/csv; charset=utf-8; header=present", "big,amount,text,raw,f,ok,at,day,tags\r\n" +
			"9007199254740993,123456789012345678.90,\"a,\"\"b\"\"\n\",AP8=,0.1,true,2024-01-31T13:00:00.5Z,2024-01-31,\"[1,null,9007199254740993]\"\r\n" +
			"-9007199254740992,0.05,\"\",\"\",1e+300,false,infinity,-infinity,[]\r\n,,,,,,,,\r\n"},
		{"csv without rows has its header", "&format=csv&filter=big%3D1&columns=text,f", "", "text/csv; charset=utf-8; header=present", "text,f\r\n"},
		{"json lines without rows", "&format=jsonl&filter=big%3D1", "", "application/x-ndjson", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := a.get(t, kindsQuery+tt.query, "Accept", tt.accept)
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != tt.media {
				t.Fatalf("%d %s: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
			}
			if tt.want != "" && string(body) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", body, tt.want)
			}
			if strings.Join(res.Header.Values("Vary"), ", ") != "Accept, Accept-Encoding" {
				t.Errorf("Vary: %s", res.Header.Values("Vary"))
			}
		})
	}
	if _, body := a.get(t, kindsQuery+"&numbers=string&columns=big,amount&limit=1"); !strings.HasPrefix(string(body), `{"data":[{"big":"9007199254740993","amount":"123456789012345678.90"}],`) {
		t.Errorf("numbers as strings in JSON: %s", body)
	}
	// Go's own reader takes the CSV for what it is.
	_, body := a.get(t, kindsQuery+"&format=csv")
	records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(records) != 4 || records[1][2] != "a,\"b\"\n" || records[2][2] != "" {
		t.Errorf("%v %q", err, records)
	}
	res, body := a.get(t, kindsQuery, "Accept", "image/png")
	if res.StatusCode != 406 || !strings.Contains(string(body), `"code":"not_acceptable"`) {
		t.Errorf("image: %d %s", res.StatusCode, body)
	}
	if res, _ := a.get(t, kindsQuery, "Accept", "application/vnd.apache.parquet"); res.StatusCode != 406 {
		t.Errorf("Parquet without a writer: %d", res.StatusCode)
	}
	res, _ = a.get(t, kindsQuery+"&format=jsonl")
	if res.Trailer.Get("Archive-Rows") != "3" || len(res.Header.Get("Archive-Snapshot-Id")) < 10 {
		t.Errorf("trailer %v, header %v", res.Trailer, res.Header)
	}
}

func TestColumnarFormats(t *testing.T) {
	w := querytest.New(t)
	kinds(t, w)
	a := serve(t, w, query.Options{}, rest.Options{Parquet: restio.Parquet})
	_, body := a.get(t, kindsQuery, "Accept", "application/vnd.apache.arrow.stream")
	r, err := ipc.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var names []string
	for _, f := range r.Schema().Fields() {
		names = append(names, f.Name)
	}
	if want := []string{"big", "amount", "text", "raw", "f", "ok", "at", "day", "tags", "_pg_exact"}; !slices.Equal(names, want) {
		t.Errorf("columns %v", names)
	}
	if !r.Next() || r.RecordBatch().NumRows() != 3 {
		t.Fatalf("rows: %v", r.Err())
	}
	b := r.RecordBatch()
	if v := b.Column(0).(*array.Int64).Value(0); v != 9007199254740993 {
		t.Errorf("big %d", v)
	}
	if got := b.Column(1).(*array.Decimal128).Value(0).BigInt().String(); got != "12345678901234567890" {
		t.Errorf("amount %s", got)
	}
	if got := b.Column(9).ValueStr(1); !strings.Contains(got, "infinity") {
		t.Errorf("side column %s", got)
	}
	if v, ok := r.Schema().Field(1).Metadata.GetValue("postgresql.type"); !ok || v != "numeric(20,2)" {
		t.Errorf("type of amount: %s", v)
	}
	_, body = a.get(t, kindsQuery+"&columns=big,text&filter=big%3D1", "Accept", "application/vnd.apache.arrow.stream")
	if r, err := ipc.NewReader(bytes.NewReader(body)); err != nil || r.Schema().NumFields() != 2 || r.Next() {
		t.Errorf("no rows of columns without exact texts: %v", err)
	}

	res, body := a.get(t, kindsQuery+"&columns=big,day&format=parquet", "Accept-Encoding", "gzip, zstd")
	if res.Header.Get("Content-Type") != "application/vnd.apache.parquet" || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("%v", res.Header)
	}
	f, err := parquetio.Open(t.Context(), parquetio.Bytes(body), parquetio.ReadOptions{})
	if err != nil || f.Rows() != 3 {
		t.Fatalf("%v", err)
	}
}

// Aggregates and orders come in every format.
func TestAggregatesInFormats(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{Parquet: restio.Parquet})
	ask := func(format string) string {
		return fmt.Sprintf(`{"archivePath":"public/events","filters":{"id_lt":300},"groupBy":["grp"],"orderBy":[{"column":"n","direction":"desc"},{"column":"grp","direction":"desc"}],
			"aggregates":[{"function":"count","as":"n"},{"function":"sum","column":"id"},{"function":"avg","column":"even"},{"function":"count","column":"day","distinct":true,"as":"days"}],"limit":2,"format":%q}`, format)
	}
	for _, tt := range []struct{ format, want string }{
		{"json", `{"data":[{"grp":2,"n":100,"sum_id":"24950","avg_even":"249.0000000000000000","days":1},{"grp":1,"n":100,"sum_id":"14950","avg_even":"149.0000000000000000","days":1}],`},
		{"jsonl", `{"grp":2,"n":100,"sum_id":"24950","avg_even":"249.0000000000000000","days":1}` + "\n" + `{"grp":1,"n":100,`},
		{"csv", "grp,n,sum_id,avg_even,days\r\n2,100,24950,249.0000000000000000,1\r\n1,100,14950,149.0000000000000000,1\r\n"},
	} {
		status, body, _ := a.do(t, "POST", "/api/v1/archives/query", ask(tt.format))
		if status != 200 || !strings.HasPrefix(body, tt.want) {
			t.Errorf("%s: %d %s", tt.format, status, body)
		}
	}
	for _, format := range []string{"arrow", "parquet"} {
		status, body, _ := a.do(t, "POST", "/api/v1/archives/query", ask(format))
		if status != 200 || len(body) < 200 {
			t.Errorf("%s: %d, %d bytes: %s", format, status, len(body), body)
		}
	}
}

func TestCompression(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	all := "/api/v1/archives/query?archivePath=public/events&format=jsonl"
	res, plain := a.get(t, all)
	if res.Header.Get("Content-Encoding") != "" || bytes.Count(plain, []byte("\n")) != 6000 {
		t.Fatalf("%v, %d bytes", res.Header, len(plain))
	}
	for _, tt := range []struct{ accept, coding string }{
		{"gzip", "gzip"}, {"zstd", "zstd"}, {"gzip, deflate, br, zstd", "zstd"}, {"zstd;q=0.1, gzip;q=0.9", "gzip"}, {"gzip;q=0", ""}, {"br", ""}, {"*", "zstd"},
	} {
		res, body := a.get(t, all, "Accept-Encoding", tt.accept)
		if res.Header.Get("Content-Encoding") != tt.coding {
			t.Errorf("%s: %s", tt.accept, res.Header.Get("Content-Encoding"))
		}
		var err error
		switch res.Header.Get("Content-Encoding") {
		case "gzip":
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
				body, err = io.ReadAll(z)
			}
		case "zstd":
			var z *zstd.Decoder
			if z, err = zstd.NewReader(bytes.NewReader(body)); err == nil {
				body, err = io.ReadAll(z)
			}
		}
		if err != nil || !bytes.Equal(body, plain) {
			t.Errorf("%s: %v, %d bytes", tt.accept, err, len(body))
		}
		if res.Trailer.Get("Archive-Rows") != "6000" {
			t.Errorf("%s: trailer %v", tt.accept, res.Trailer)
		}
	}
	if res, body := a.get(t, all+"&limit=3", "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "" || bytes.Count(body, []byte("\n")) != 3 {
		t.Errorf("a small answer: %v", res.Header)
	}
	if res, body := a.get(t, strings.Replace(all, "jsonl", "json", 1), "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "gzip" || len(body) > 60_000 {
		t.Errorf("JSON: %v, %d bytes", res.Header, len(body))
	}
}

// What fails on the way cuts the connection in every format; what fails before the first part is a problem.
func TestStreamsAreCut(t *testing.T) {
	w := querytest.Events(t)
	for _, format := range []string{"jsonl", "csv", "arrow"} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			// The last file fails: by then more than one part is on its way.
			broken := faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Match: func(key string) bool {
				return strings.Contains(key, "/month=2024-03/") && strings.HasSuffix(key, "-00001.parquet")
			}})
			s := httptest.NewServer(rest.New(query.New(w.Catalog, broken, query.Options{Workers: 1}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler())
			req, err := http.NewRequest("GET", s.URL+"/api/v1/archives/query?archivePath=public/events&format="+format, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", encoding)
			res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			s.Close()
			var p struct{ Code string }
			switch {
			case res.StatusCode == 200 && err == nil:
				t.Errorf("%s %s: half an answer of %d bytes looks whole", format, encoding, len(body))
			case res.StatusCode != 200 && (json.Unmarshal(body, &p) != nil || p.Code != "unreadable_file" || res.Header.Get("Trailer") != ""):
				t.Errorf("%s %s: %d %s %v", format, encoding, res.StatusCode, body, res.Header)
			case format == "jsonl" && encoding == "" && res.StatusCode != 200:
				t.Errorf("nothing was streamed: %d %s", res.StatusCode, body)
			}
		}
	}
}

// Streams that are not taken leave slots for pages in JSON; one more of them is refused after a while.
func TestStreamsLeaveSlots(t *testing.T) {
	w := querytest.Events(t)
	tab := w.Table(t, "public", "wide", querytest.Columns(querytest.Col("text", coltype.String, coltype.WireRaw, "text")), iceberg.PartitionSpec{})
	row := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	for p := range 6 { // more than the buffers of a connection hold
		tab.Add(t, fmt.Sprintf("k=%d", p), querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, strings.Repeat(row+",", 3)+row)}})
	}
	a := serve(t, w, query.Options{Queries: 2}, rest.Options{Streams: 1, StreamWait: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /api/v1/archives/query?archivePath=public/wide&format=csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		res, text := a.get(t, "/api/v1/archives/query?archivePath=public/events&format=csv&limit=1")
		if res.StatusCode == 503 && strings.Contains(string(text), `"code":"busy"`) && res.Header.Get("Retry-After") == "10" {
			break
		}
		if res.StatusCode != 200 || time.Since(start) > 20*time.Second {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
	}
	if res, text := a.get(t, "/api/v1/archives/query?archivePath=public/events&limit=1"); res.StatusCode != 200 {
		t.Errorf("a page in JSON: %d %s", res.StatusCode, text)
	}
	conn.Close()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the slot comes back
		if res, text := a.get(t, "/api/v1/archives/query?archivePath=public/events&format=csv&limit=1"); res.StatusCode == 200 {
			break
		} else if time.Since(start) > 20*time.Second {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
	}
}
