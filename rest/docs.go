package rest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"frostline/rest/api"
)

//go:embed docs.html
var docsHTML string

// reference is the document as a page: HTML that needs nothing from elsewhere.
var reference = sync.OnceValues(func() ([]byte, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, err
	}
	t, err := template.New("docs").Funcs(template.FuncMap{"type": typeName, "sorted": sortedSchemas, "example": exampleOf, "prose": prose}).Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Info   *openapi3.Info
		Groups []docGroup
		Spec   *openapi3.T
	}{spec.Info, docGroups(spec), spec})
	return b.Bytes(), err
})

// Reference is the page at /docs.
func (h handlers) Reference(c echo.Context) error {
	page, err := reference()
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	return c.Blob(http.StatusOK, echo.MIMETextHTMLCharsetUTF8, page)
}

// docGroup is the operations of one tag.
type docGroup struct {
	Name, Description string
	Operations        []docOperation
}

type docOperation struct {
	Method, Path string
	*openapi3.Operation
	Answers []docAnswer
}

// docAnswer is one status of an operation.
type docAnswer struct {
	Status, Description string
	Media               []string
	Schema              *openapi3.SchemaRef
}

func docGroups(spec *openapi3.T) []docGroup {
	var groups []docGroup
	for _, tag := range spec.Tags {
		g := docGroup{Name: tag.Name, Description: tag.Description}
		for path, item := range spec.Paths.Map() {
			for method, op := range item.Operations() {
				if slices.Contains(op.Tags, tag.Name) {
					g.Operations = append(g.Operations, docOperation{method, path, op, docAnswers(op)})
				}
			}
		}
		sort.Slice(g.Operations, func(i, j int) bool {
			a, b := g.Operations[i], g.Operations[j]
			return a.Path < b.Path || a.Path == b.Path && a.Method < b.Method
		})
		groups = append(groups, g)
	}
	return groups
}

func docAnswers(op *openapi3.Operation) []docAnswer {
	var out []docAnswer
	for status, r := range op.Responses.Map() {
		a := docAnswer{Status: status}
		if r.Value.Description != nil {
			a.Description = *r.Value.Description
		}
		for media, m := range r.Value.Content {
			a.Media = append(a.Media, media)
			if m.Schema != nil && m.Schema.Ref != "" {
				a.Schema = m.Schema
			}
		}
		sort.Strings(a.Media)
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Status < out[j].Status })
	return out
}

// typeName says what a schema takes, with a link where it has a name of its own.
func typeName(ref *openapi3.SchemaRef) template.HTML {
	if ref == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok {
		e := template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + e + `">` + e + `</a>`)
	}
	s := ref.Value
	switch {
	case len(s.AnyOf) > 0:
		var names []string
		for _, a := range s.AnyOf {
			names = append(names, string(typeName(a)))
		}
		return template.HTML(strings.Join(names, " or "))
	case len(s.Enum) > 0:
		var names []string
		for _, v := range s.Enum {
			text, _ := json.Marshal(v)
			names = append(names, "<code>"+template.HTMLEscapeString(string(text))+"</code>")
		}
		return template.HTML(strings.Join(names, ", "))
	case s.Type.Is("array"):
		return "list of " + typeName(s.Items)
	case s.Type.Is("object") && s.AdditionalProperties.Schema != nil:
		return "object of " + typeName(s.AdditionalProperties.Schema)
	case len(s.Type.Slice()) > 0:
		return template.HTML(template.HTMLEscapeString(s.Type.Slice()[0]))
	}
	return "any"
}

// docField is one member of an object.
type docField struct {
	Name     string
	Ref      *openapi3.SchemaRef
	Required bool
}

func sortedSchemas(s openapi3.Schemas, required []string) []docField {
	var out []docField
	for name, ref := range s {
		out = append(out, docField{name, ref, slices.Contains(required, name)})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := orderOf(out[i].Ref), orderOf(out[j].Ref)
		return a < b || a == b && out[i].Name < out[j].Name
	})
	return out
}

// orderOf is the place of a member in its object.
func orderOf(ref *openapi3.SchemaRef) float64 {
	if n, ok := ref.Extensions["x-order"].(float64); ok {
		return n
	}
	n, _ := ref.Value.Extensions["x-order"].(float64)
	return n
}

func exampleOf(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil || v == nil {
		return ""
	}
	return string(text)
}

// prose is text of the document for a paragraph: what stands in backticks is code, an empty line begins another paragraph.
func prose(text string) template.HTML {
	text = backticks.ReplaceAllString(template.HTMLEscapeString(strings.TrimSpace(text)), "<code>$1</code>")
	return template.HTML(strings.ReplaceAll(text, "\n\n", "</p>\n<p>"))
}

var backticks = regexp.MustCompile("`([^`]+)`")
