package rest

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"frostline/query"
)

// The codes of what secure refuses.
const (
	misdirected        query.Code = "misdirected"
	unsupportedContent query.Code = "unsupported_content_encoding"
)

// secure sets the headers that keep browsers from misusing answers, and refuses requests that a page of another site has a browser
// send, names of this host that are not its own, and compressed bodies.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderXFrameOptions, "DENY")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'") // pages set their own
		h.Set(echo.HeaderCacheControl, "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		if err := s.checkHost(r); err != nil {
			return err
		}
		origin := r.Header.Get(echo.HeaderOrigin)
		if origin != "" && slices.Contains(s.opt.Origins, origin) {
			h.Set(echo.HeaderAccessControlAllowOrigin, origin)
			h.Set(echo.HeaderAccessControlExposeHeaders, "Archive-Snapshot-Id, Archive-Rows, Archive-Next-Page-Token, Location, Retry-After, X-Request-Id")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			if r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) != "" {
				h.Set(echo.HeaderAccessControlAllowMethods, "GET, POST, DELETE")
				h.Set(echo.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, Accept, X-Request-Id, traceparent")
				h.Set(echo.HeaderAccessControlMaxAge, "600")
				h.Add(echo.HeaderVary, echo.HeaderOrigin)
				return c.NoContent(http.StatusNoContent)
			}
		} else if strings.HasPrefix(r.URL.Path, "/api/") && foreign(r, origin) {
			return &query.Error{Code: query.Forbidden, Reason: "cross_origin", Msg: "the request comes from a page of another site",
				Hint: "the operator can allow its origin"}
		}
		if len(s.opt.Origins) > 0 {
			h.Add(echo.HeaderVary, echo.HeaderOrigin)
		}
		if e := r.Header.Get(echo.HeaderContentEncoding); e != "" && !strings.EqualFold(e, "identity") {
			return &query.Error{Code: unsupportedContent, Msg: "compressed request bodies are not taken", Hint: "leave Content-Encoding out"}
		}
		return next(c)
	}
}

// foreign reports whether a browser says that a page of another origin has it send r.
func foreign(r *http.Request, origin string) bool {
	if origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// checkHost refuses names that are not loopback's where whoever reaches loopback may ask: a page's own name that its owner lets
// point here (DNS rebinding) would make it one of this origin.
func (s *Server) checkHost(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	tcp, ok := local.(*net.TCPAddr)
	if s.opt.Identify != nil || !ok || !tcp.IP.IsLoopback() {
		return nil
	}
	name := r.Host
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	if isLoopbackName(name) || slices.Contains(s.opt.Hosts, name) {
		return nil
	}
	return &query.Error{Code: misdirected, Msg: "this server answers to localhost only", Hint: "the operator can allow the host's name"}
}

// isLoopbackName reports whether name means this machine.
func isLoopbackName(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
