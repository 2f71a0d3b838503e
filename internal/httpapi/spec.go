package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// toJSON writes a YAML document as JSON, with its fields in the order in which they are written: whoever reads the contract's
// examples there meets them in that order.
func toJSON(text []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 {
		return nil, fmt.Errorf("the document is empty")
	}
	var written bytes.Buffer
	if err := writeNode(&written, document.Content[0]); err != nil {
		return nil, err
	}
	return written.Bytes(), nil
}

func writeNode(into *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.MappingNode:
		return writeMapping(into, node)
	case yaml.SequenceNode:
		into.WriteByte('[')
		for i, element := range node.Content {
			if i > 0 {
				into.WriteByte(',')
			}
			if err := writeNode(into, element); err != nil {
				return err
			}
		}
		into.WriteByte(']')
		return nil
	case yaml.ScalarNode:
		return writeScalar(into, node)
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return fmt.Errorf("line %d: only fields, lists and values are known", node.Line)
}

func writeMapping(into *bytes.Buffer, node *yaml.Node) error {
	into.WriteByte('{')
	for i := 0; i < len(node.Content); i += 2 {
		if i > 0 {
			into.WriteByte(',')
		}
		// Whatever it looks like, the name of a field is a text: such as 200.
		if err := writeValue(into, node.Content[i].Value); err != nil {
			return err
		}
		into.WriteByte(':')
		if err := writeNode(into, node.Content[i+1]); err != nil {
			return err
		}
	}
	into.WriteByte('}')
	return nil
}

func writeScalar(into *bytes.Buffer, node *yaml.Node) error {
	switch node.Tag {
	case "!!null", "!!bool", "!!int", "!!float":
		var value any
		if err := node.Decode(&value); err != nil {
			return err
		}
		return writeValue(into, value)
	}
	return writeValue(into, node.Value) // a date too is a text
}

func writeValue(into *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(into)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	into.Truncate(into.Len() - 1) // the line's end
	return nil
}
