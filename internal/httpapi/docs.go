package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"handover/api"
	"handover/internal/domain"
)

const docsPath = "/docs"

// docsAssets are the files of the documentation page. They are part of the binary.
var docsAssets = []string{
	"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-16x16.png", "favicon-32x32.png",
}

// docs is the documentation: a page of every operation, and a page of every problem.
type docs struct {
	ui       http.Handler
	page     []byte
	policy   string
	problems []byte
}

func newDocs(contract *contract) *docs {
	ui := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Handover", SwaggerJSON: "/openapi.json", BasePath: docsPath + "/",
		SettingsUI: map[string]string{"displayRequestDuration": "true", "docExpansion": `"list"`, "defaultModelsExpandDepth": "0"},
	})
	var page writtenPage
	ui.ServeHTTP(&page, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: docsPath}})
	return &docs{ui: ui, page: page.Bytes(), policy: pagePolicy(page.Bytes()), problems: problemsPage(contract)}
}

// writtenPage takes what a handler writes into memory.
type writtenPage struct{ bytes.Buffer }

func (*writtenPage) Header() http.Header { return http.Header{} }
func (*writtenPage) WriteHeader(int)     {}

// register adds what the documentation has beside the contract's paths.
func (d *docs) register(e *echo.Echo) {
	for _, asset := range docsAssets {
		e.GET(docsPath+"/"+asset, func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "public, max-age=3600")
			d.ui.ServeHTTP(c.Response(), c.Request())
			return nil
		})
	}
	e.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, docsPath) })
	e.GET(problemsPath, func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		return c.HTMLBlob(http.StatusOK, d.problems)
	})
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// pagePolicy lets the page do what it does and nothing more: its own scripts by their hashes, calls to this service.
// Nothing comes from elsewhere.
func pagePolicy(page []byte) string {
	scripts := []string{"'self'"}
	for _, script := range inlineScript.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(script[1])
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return "default-src 'none'; script-src " + strings.Join(scripts, " ") +
		"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'" +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// docsPage is the answer of GetDocs.
type docsPage struct{ *docs }

// VisitGetDocsResponse writes the page.
func (d docsPage) VisitGetDocsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Security-Policy", d.policy)
	w.Header().Set("Cache-Control", "no-cache")
	return document{"text/html; charset=utf-8", d.page}.write(w)
}

// GetDocs gives the page of every operation.
func (h *handlers) GetDocs(context.Context, api.GetDocsRequestObject) (api.GetDocsResponseObject, error) {
	return docsPage{h.docs}, nil
}

// problemsTemplate is where the type of a problem leads to.
var problemsTemplate = template.Must(template.New("problems").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Handover: problems</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 48rem; padding: 0 1rem; color: #222; }
section { border-top: 1px solid #ddd; padding: .5rem 0; }
section:target { background: #fff6d6; }
h2 { font-size: 1.1rem; margin: .5rem 0 0; }
p { margin: .25rem 0 .5rem; }
code { background: #f2f2f2; padding: 0 .25em; }
</style>
</head>
<body>
<h1>Problems</h1>
<p>Every error of this service is an RFC 9457 problem. Its <code>code</code> is one of these.
<a href="/docs">All operations</a> stand on a page of their own.</p>
{{range .}}<section id="{{.Code}}">
<h2>{{.Title}}</h2>
<p>{{.Status}} <code>{{.Code}}</code></p>
<p>{{.Meaning}}</p>
</section>
{{end}}</body>
</html>
`))

var codeInProse = regexp.MustCompile("`([^`]+)`")

// problemsPage lists every problem, in the words of the contract.
func problemsPage(contract *contract) []byte {
	type row struct {
		Code    domain.Code
		Status  string
		Title   string
		Meaning template.HTML
	}
	rows := make([]row, len(contract.problems))
	for i, problem := range contract.problems {
		meaning := codeInProse.ReplaceAllString(template.HTMLEscapeString(problem.Meaning), "<code>$1</code>")
		rows[i] = row{problem.Code, problem.Status, kindOfCode[problem.Code].title, template.HTML(meaning)} //nolint:gosec // escaped above, of the contract's own words
	}
	var page bytes.Buffer
	_ = problemsTemplate.Execute(&page, rows) // into memory, of plain fields
	return page.Bytes()
}
