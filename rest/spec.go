package rest

import (
	"net/http"
	"regexp"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"frostline/rest/api"
)

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml

// operation is one operation of the document.
type operation struct {
	id      string
	queries bool                           // it runs the engine on a caller's filter
	query   map[string]*openapi3.Parameter // in the query string
	names   []string                       // of them, in the document's order
	path    map[string]*openapi3.Parameter
	body    *openapi3.Schema // nil without
}

// document is the OpenAPI document, and its operations by method and echo's route.
var document = sync.OnceValues(func() (map[string]*operation, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, err
	}
	out := map[string]*operation{}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			o := &operation{id: op.OperationID, query: map[string]*openapi3.Parameter{}, path: map[string]*openapi3.Parameter{}}
			for _, tag := range op.Tags {
				o.queries = o.queries || tag == "queries"
			}
			for _, p := range op.Parameters {
				switch p.Value.In {
				case openapi3.ParameterInQuery:
					o.query[p.Value.Name] = p.Value
					o.names = append(o.names, p.Value.Name)
				case openapi3.ParameterInPath:
					o.path[p.Value.Name] = p.Value
				}
			}
			if op.RequestBody != nil {
				o.body = op.RequestBody.Value.Content["application/json"].Schema.Value
			}
			out[method+" "+pathParameter.ReplaceAllString(path, ":$1")] = o
		}
	}
	return out, nil
})

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// Document is the OpenAPI document at /openapi.json.
func (h handlers) Document(c echo.Context) error {
	body, err := api.GetSpecJSON()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}
