package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// The tools, resources and prompts that the official conformance suite calls by name. They go through the transport like
// ours; nothing of them is in the product.

const (
	pixel   = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	silence = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
)

type toolFunc = func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error)

// conformanceCore is an mcp-go server with every fixture. Subscriptions to resources exist for legacy clients only: in the
// stateless protocol they are a stream, which this transport does not open.
func conformanceCore(subscribe bool) *server.MCPServer {
	core := server.NewMCPServer("sallyport-fixtures", "test", server.WithToolCapabilities(false), server.WithPromptCapabilities(false),
		server.WithResourceCapabilities(subscribe, false), server.WithCompletions(), server.WithLogging(),
		server.WithPromptCompletionProvider(noCompletion{}), server.WithExtensions(map[string]any{extensionTasks: map[string]any{}}), server.WithCacheHints(listsLive.Milliseconds(), mcp.CacheScopePrivate))
	addTools(core)
	addInputTools(core)
	addResources(core)
	addPrompts(core)
	return core
}

func addTools(core *server.MCPServer) {
	content := func(items ...mcp.Content) toolFunc {
		return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: items}, nil
		}
	}
	embedded := func(uri, media, text string) mcp.Content {
		return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: media, Text: text})
	}
	for name, f := range map[string]toolFunc{
		"test_simple_text":       content(mcp.NewTextContent("This is a simple text response for testing.")),
		"test_image_content":     content(mcp.NewImageContent(pixel, "image/png")),
		"test_audio_content":     content(mcp.NewAudioContent(silence, "audio/wav")),
		"test_embedded_resource": content(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
		"test_multiple_content_types": content(mcp.NewTextContent("Multiple content types test:"), mcp.NewImageContent(pixel, "image/png"),
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)),
		"test_error_handling": func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultError("This tool intentionally returns an error for testing"), nil
		},
		"test_tool_with_logging":     logging(core),
		"test_logging_tool":          logging(core),
		"test_tool_with_progress":    progressing(core),
		"test_missing_capability":    needsSampling,
		"test_streaming_elicitation": asks(map[string]string{"answer": "Go on?"}, ""),
	} {
		core.AddTool(mcp.NewTool(name, mcp.WithDescription("conformance fixture")), f)
	}
	core.AddTool(mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", json.RawMessage(schema2020)),
		content(mcp.NewTextContent("ok")))
	core.AddTool(mcp.NewToolWithRawSchema("test_custom_header", "a parameter that is mirrored in a header",
		json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"query":{"type":"string"}}}`)),
		content(mcp.NewTextContent("ok")))
}

const schema2020 = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",` +
	`"$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},` +
	`"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"contactMethod":{"type":"string","enum":["phone","email"]},` +
	`"phone":{"type":"string"},"email":{"type":"string"}},"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],` +
	`"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},"then":{"required":["phone"]},"else":{"required":["email"]},` +
	`"additionalProperties":false}`

func logging(core *server.MCPServer) toolFunc {
	return func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		c := ctx.Value(callKey{}).(*call)
		if c.message.metaVersion != "" { // the stateless protocol sends log messages to who asked for a level only
			return mcp.NewToolResultText("nothing was logged"), nil
		}
		for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := core.SendNotificationToClient(ctx, string(mcp.MethodNotificationMessage), map[string]any{"level": "info", "logger": "fixtures", "data": text}); err != nil {
				return nil, err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return mcp.NewToolResultText("logged"), nil
	}
}

func progressing(core *server.MCPServer) toolFunc {
	return func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.Params.Meta == nil || r.Params.Meta.ProgressToken == nil {
			return mcp.NewToolResultText("no progress was asked for"), nil
		}
		for _, n := range []int{0, 50, 100} {
			if err := core.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
				"progressToken": r.Params.Meta.ProgressToken, "progress": n, "total": 100}); err != nil {
				return nil, err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return mcp.NewToolResultText("progress reported"), nil
	}
}

// needsSampling cannot do without a capability of the client. mcp-go has no way to say so; the transport has.
func needsSampling(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	c := ctx.Value(callKey{}).(*call)
	if !declares(c, "sampling") {
		c.fault = &fault{Code: mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, Message: "the client lacks a capability",
			Data: map[string]any{"requiredCapabilities": map[string]any{"sampling": map[string]any{}}}}
	}
	return mcp.NewToolResultText("ok"), nil
}

// declares reports whether the request's _meta declares a client capability.
func declares(c *call, capability string) bool {
	var p struct {
		Meta struct {
			Capabilities map[string]json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
		} `json:"_meta"`
	}
	return json.Unmarshal(c.message.params, &p) == nil && p.Meta.Capabilities[capability] != nil
}

func object(properties map[string]any, required ...string) map[string]any {
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func question(message, field, typ string) mcp.ElicitationParams {
	return mcp.ElicitationParams{Message: message, RequestedSchema: object(map[string]any{field: map[string]any{"type": typ}}, field)}
}

func sampling(text string, tokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{Messages: []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(text)}}, MaxTokens: tokens}
}

// asks is a tool that asks each question once, by key, and is done when all are answered.
func asks(questions map[string]string, state string) toolFunc {
	return func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		b := server.NewInputRequestBuilder(state)
		open := 0
		for key, message := range questions {
			if server.ElicitationResponse(r.Params.InputResponses, key) == nil {
				b.Elicit(key, question(message, "name", "string"))
				open++
			}
		}
		if open > 0 {
			return b.ToolResult(), nil
		}
		return mcp.NewToolResultText("Hello!"), nil
	}
}

// addInputTools adds the tools of the multi round trip scenarios.
func addInputTools(core *server.MCPServer) {
	const state = "signed:state"
	wrongState := func(ctx context.Context, r mcp.CallToolRequest) bool {
		if r.Params.RequestState == state {
			return false
		}
		ctx.Value(callKey{}).(*call).fault = &fault{Code: mcp.INVALID_PARAMS, Message: "the request state is not one of ours"}
		return true
	}
	for name, f := range map[string]toolFunc{
		"elicitation": asks(map[string]string{"user_name": "What is your name?"}, ""),
		"sampling": func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if _, ok := server.InputResponse(r.Params.InputResponses, "capital_question"); ok {
				return mcp.NewToolResultText("Paris"), nil
			}
			return server.NewInputRequestBuilder("").Sample("capital_question", sampling("What is the capital of France?", 100)).ToolResult(), nil
		},
		"list_roots": func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if answer, ok := server.InputResponse(r.Params.InputResponses, "client_roots"); ok {
				b, err := json.Marshal(answer)
				return mcp.NewToolResultText("roots: " + string(b)), err
			}
			return server.NewInputRequestBuilder("").Roots("client_roots").ToolResult(), nil
		},
		"request_state": func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if _, ok := server.InputResponse(r.Params.InputResponses, "confirm"); ok && !wrongState(ctx, r) {
				return mcp.NewToolResultText("state-ok"), nil
			}
			return server.NewInputRequestBuilder(state).Elicit("confirm", question("Please confirm", "ok", "boolean")).ToolResult(), nil
		},
		"tampered_state": func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if _, ok := server.InputResponse(r.Params.InputResponses, "confirm"); ok && !wrongState(ctx, r) {
				return mcp.NewToolResultText("state-ok"), nil
			}
			return server.NewInputRequestBuilder(state).Elicit("confirm", question("Please confirm", "ok", "boolean")).ToolResult(), nil
		},
		"multiple_inputs": func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if len(r.Params.InputResponses) >= 3 {
				return mcp.NewToolResultText("all three are here"), nil
			}
			return server.NewInputRequestBuilder(state).Elicit("user_name", question("What is your name?", "name", "string")).
				Sample("greeting", sampling("Generate a greeting", 50)).Roots("client_roots").ToolResult(), nil
		},
		"multi_round": func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if _, ok := server.InputResponse(r.Params.InputResponses, "step2"); ok {
				return mcp.NewToolResultText("done"), nil
			}
			if _, ok := server.InputResponse(r.Params.InputResponses, "step1"); ok {
				return server.NewInputRequestBuilder("round-2").Elicit("step2", question("Step 2: What is your favorite color?", "color", "string")).ToolResult(), nil
			}
			return server.NewInputRequestBuilder("round-1").Elicit("step1", question("Step 1: What is your name?", "name", "string")).ToolResult(), nil
		},
		"capabilities": func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if len(r.Params.InputResponses) > 0 {
				return mcp.NewToolResultText("ok"), nil
			}
			b, c := server.NewInputRequestBuilder(""), ctx.Value(callKey{}).(*call)
			if declares(c, "sampling") {
				b.Sample("sampled", sampling("Say something", 50))
			}
			if declares(c, "elicitation") {
				b.Elicit("asked", question("Say something", "text", "string"))
			}
			return b.ToolResult(), nil
		},
	} {
		core.AddTool(mcp.NewTool("test_input_required_result_"+name, mcp.WithDescription("conformance fixture")), f)
	}
}

func addResources(core *server.MCPServer) {
	const text, binary = "test://static-text", "test://static-binary"
	core.AddResource(mcp.NewResource(text, "static-text", mcp.WithMIMEType("text/plain")),
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: text, MIMEType: "text/plain", Text: "This is the content of the static text resource."}}, nil
		})
	core.AddResource(mcp.NewResource(binary, "static-binary", mcp.WithMIMEType("image/png")),
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.BlobResourceContents{URI: binary, MIMEType: "image/png", Blob: pixel}}, nil
		})
	core.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "template", mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			id := strings.Split(strings.TrimPrefix(r.Params.URI, "test://template/"), "/")[0]
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, MIMEType: "application/json",
				Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id)}}, nil
		})
}

func addPrompts(core *server.MCPServer) {
	says := func(contents ...mcp.Content) *mcp.GetPromptResult {
		r := &mcp.GetPromptResult{}
		for _, c := range contents {
			r.Messages = append(r.Messages, mcp.PromptMessage{Role: mcp.RoleUser, Content: c})
		}
		return r
	}
	core.AddPrompt(mcp.NewPrompt("test_simple_prompt", mcp.WithPromptDescription("conformance fixture")), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(mcp.NewTextContent("This is a simple prompt for testing.")), nil
	})
	core.AddPrompt(mcp.NewPrompt("test_prompt_with_arguments", mcp.WithPromptDescription("conformance fixture"), mcp.WithArgument("arg1", mcp.RequiredArgument()), mcp.WithArgument("arg2", mcp.RequiredArgument())),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			a := r.Params.Arguments
			return says(mcp.NewTextContent(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", a["arg1"], a["arg2"]))), nil
		})
	core.AddPrompt(mcp.NewPrompt("test_prompt_with_embedded_resource", mcp.WithPromptDescription("conformance fixture"), mcp.WithArgument("resourceUri", mcp.RequiredArgument())),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return says(mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: r.Params.Arguments["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing."}),
				mcp.NewTextContent("Please process the embedded resource above.")), nil
		})
	core.AddPrompt(mcp.NewPrompt("test_prompt_with_image", mcp.WithPromptDescription("conformance fixture")), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(mcp.NewImageContent(pixel, "image/png"), mcp.NewTextContent("Please analyze the image above.")), nil
	})
	core.AddPrompt(mcp.NewPrompt("test_input_required_result_prompt", mcp.WithPromptDescription("conformance fixture")), func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		if len(r.Params.InputResponses) > 0 {
			return says(mcp.NewTextContent("with context")), nil
		}
		return server.NewInputRequestBuilder("").Elicit("user_context", question("What context should the prompt use?", "context", "string")).PromptResult(), nil
	})
}

// A legacy client may set a log level; a session here lasts one message, so that there is nothing to keep it in.
func (c *call) SetLogLevel(mcp.LoggingLevel)  {}
func (c *call) GetLogLevel() mcp.LoggingLevel { return mcp.LoggingLevelDebug }

type noCompletion struct{}

func (noCompletion) CompletePromptArgument(context.Context, string, mcp.CompleteArgument, mcp.CompleteContext) (*mcp.Completion, error) {
	return &mcp.Completion{Values: []string{}}, nil
}
