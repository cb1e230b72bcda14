#include "deploy/transform_configuration.hpp"

#include <array>

#include <fmt/format.h>

#include "actors/transform/redaction.hpp"
#include "deploy/cli.hpp"

namespace sluice {

namespace {

expected<std::string> parse_any(std::string text) {
  return text;
}

expected<std::string> parse_key(std::string text) {
  constexpr auto most = payload_limits::max_attribute_key_bytes;
  if (text.empty() || text.size() > most)
    return fail(errc::invalid_argument, fmt::format("the key of an attribute has 1 to {} bytes", most));
  return text;
}

expected<char> parse_separator(std::string_view text) {
  if (text.size() != 1 || text == "\"" || text == "\\" || text == "\n")
    return fail(errc::invalid_argument, "a separator is one character, and no quote, backslash or end of a line");
  return text.front();
}

expected<byte_pattern> parse_pattern(const std::string& text) {
  return make_byte_pattern(text);
}

expected<byte_pattern> parse_redacted(const std::string& text) {
  auto made = make_byte_pattern(text);
  if (made && matches(**made, {}))
    return fail(errc::invalid_argument, fmt::format("'{}' matches where nothing is; say what is to be replaced", text));
  return made;
}

expected<std::string> parse_replacement(std::string text) {
  constexpr std::size_t most = 1024;
  if (text.size() > most)
    return fail(errc::invalid_argument, fmt::format("more than {} bytes", most));
  return text;
}

expected<std::uint64_t> parse_ratio(std::string_view text) {
  constexpr std::uint64_t most = 1'000'000'000;
  return parse_count(text, 1, most);
}

/// What is the same for both ways to parse a text.
template <class Transform>
void read_parsing(section_reader& in, Transform& to) {
  in.value("field", to.field, parse_key);
  in.value("prefix", to.prefix, parse_key);
}

record_transform read_parse_json(section_reader& in) {
  parse_json_transform made;
  read_parsing(in, made);
  return made;
}

record_transform read_parse_key_value(section_reader& in) {
  parse_key_value_transform made;
  read_parsing(in, made);
  in.value("field_separator", made.form.between_pairs, parse_separator);
  in.value("key_value_separator", made.form.within_pair, parse_separator);
  if (made.form.between_pairs == made.form.within_pair)
    in.complain(in.place(), in.key_of("key_value_separator"), "the same as field_separator");
  return made;
}

template <class Transform>
record_transform read_set(section_reader& in) {
  Transform made;
  in.require("from", "missing: the attribute to take it from");
  in.value("from", made.from, parse_key);
  return made;
}

record_transform read_drop(section_reader& in) {
  drop_transform made;
  in.require("match", "missing: a regular expression for what is to go");
  in.value("match", made.match, parse_pattern);
  in.value("field", made.field, parse_key);
  return made;
}

record_transform read_redact(section_reader& in) {
  redact_transform made;
  in.require("match", "missing: a regular expression for what is to be replaced");
  auto has_match = in.value("match", made.match, parse_redacted);
  in.value("with", made.with, parse_replacement);
  in.value("field", made.field, parse_key);
  if (!has_match)
    return made;
  if (auto right = check_replacement(*made.match, made.with); !right)
    in.complain(in.place_of("with"), in.key_of("with"), right.error().message);
  return made;
}

record_transform read_sample(section_reader& in) {
  sample_transform made;
  in.require("keep_one_in", "missing: one record of how many is to stay");
  in.value("keep_one_in", made.keep_one_in, parse_ratio);
  return made;
}

struct known_transform {
  std::string_view name;
  record_transform (*read)(section_reader&);
};

constexpr std::array<known_transform, std::variant_size_v<record_transform>> known_transforms{{
  {"parse_json", read_parse_json},
  {"parse_key_value", read_parse_key_value},
  {"set_severity", read_set<set_severity_transform>},
  {"set_timestamp", read_set<set_timestamp_transform>},
  {"drop", read_drop},
  {"redact", read_redact},
  {"sample", read_sample},
}};

/// One item of the list: the name of a transform, and its keys.
void read_transform(section_reader& in, transform_config& to) {
  if (in.members().size() != 1)
    in.complain(in.place(), in.key(), "each item of the list has one name, as 'parse_json: {}'");
  in.section("add_labels", [&to](auto& labels) { read_labels(labels, to.labels); });
  for (auto [name, read] : known_transforms)
    in.section(name, [&to, read](auto& keys) {
      to.records.push_back(read(keys));
      keys.finish();
    });
  in.finish();
}

} // namespace

void read_transforms(section_reader& in, transform_config& to) {
  in.sections("transforms", max_transforms, [&to](auto& item) { read_transform(item, to); });
}

void read_labels(section_reader& in, label_set& to) {
  for (auto& x : in.members()) {
    std::string value;
    in.value(x.key, value, parse_any);
    if (auto set = to.set(x.key, value); !set)
      in.complain(x.place, in.key_of(x.key), set.error().message);
  }
}

} // namespace sluice
