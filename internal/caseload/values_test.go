package caseload

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/domain"
)

func TestRulesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	contract, err := api.GetSpec()
	require.NoError(t, err)
	schema := func(name string) *openapi3.Schema {
		found := contract.Components.Schemas[name]
		require.NotNil(t, found, name)
		return found.Value
	}
	for name, limit := range map[string]uint64{"ExternalKey": maxKey, "Name": maxName, "TaskTitle": maxTitle, "TaskDetails": maxDescription, "Phone": maxPhone, "Email": maxEmail} {
		require.NotNil(t, schema(name).MaxLength, name)
		assert.Equal(t, limit, *schema(name).MaxLength, name)
	}
	for _, name := range []string{"ExternalKey", "Name", "TaskTitle", "Phone"} {
		assert.Equal(t, `\S`, schema(name).Pattern, "%s is not blank", name)
	}
	assert.Equal(t, domain.EmailPattern, schema("Email").Pattern)
	assert.Equal(t, uint64(minEmail), schema("Email").MinLength)
	for name, values := range map[string]column{
		"PersonKind": peopleFile.columns[peopleFile.find("kind")], "PersonStatus": peopleFile.columns[peopleFile.find("status")],
		"StaffRole": staffFile.columns[staffFile.find("role")], "StaffStatus": staffFile.columns[staffFile.find("status")],
		"TaskStatus": tasksFile.columns[tasksFile.find("status")],
	} {
		for _, value := range schema(name).Enum {
			text, isText := value.(string)
			require.True(t, isText)
			_, problem := values.readCell(text)
			assert.Empty(t, problem, "%s %s", name, text)
		}
		_, problem := values.readCell("something else")
		assert.NotEmpty(t, problem)
	}
}
