#include "json_schema.h"

#include <gtest/gtest.h>

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

std::string fault(const char* value, const char* schema) {
  return fault_by_schema(Json::parse(value), Json::parse(schema));
}

TEST(JsonSchema, SaysWhatIsWrongAndWhere) {
  struct Case {
    const char* value;
    const char* schema;
    const char* fault;
  };
  const Case cases[] = {
      {"3", R"({"type": "string"})", "the whole is 3, not of type string"},
      {"3", R"({"type": ["string", "null"]})", "the whole is 3, not of type string or null"},
      {"null", R"({"type": ["string", "null"]})", ""},
      {"1.5", R"({"type": "integer"})", "the whole is 1.5, not of type integer"},
      {"1.5", R"({"type": "number"})", ""},
      {"7", R"({"type": "number"})", ""},
      {"true", R"({"type": "boolean"})", ""},
      {"{}", R"({"type": "array"})", "the whole is an object, not of type array"},
      {R"("a")", R"({"const": "b"})", R"(the whole is "a", not "b")"},
      {R"("a")", R"({"enum": ["b", "c"]})", R"(the whole is "a", not "b" or "c")"},
      {R"("c")", R"({"enum": ["b", "c"]})", ""},
      {"-1", R"({"minimum": 0})", "the whole is -1, which is less than 0"},
      {"18446744073709551615", R"({"maximum": 9223372036854775807})",
       "the whole is 18446744073709551615, which is more than 9223372036854775807"},
      {"{}", R"({"required": ["a"]})", "a is missing"},
      {R"({"a": {"b": 1}})", R"({"properties": {"a": {"required": ["c"]}}})", "a.c is missing"},
      {R"({"a": 1, "b": "x"})", R"({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}})",
       R"(b is "x", not of type integer)"},
      {R"({"a": [1, {"b": null}]})", R"({"properties": {"a": {"items": {"properties": {"b": {"type": "integer"}}}}}})",
       "a[1].b is null, not of type integer"},
      {R"({"a": -1})", R"({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"minimum": 0}}})",
       "a is -1, which is less than 0"},
      {"1", R"({"pattern": "x"})", "the schema's keyword `pattern` is not known here"},
  };
  for (const Case& c : cases) EXPECT_EQ(fault(c.value, c.schema), c.fault) << c.value << " by " << c.schema;
}

}  // namespace
}  // namespace pollux::app
