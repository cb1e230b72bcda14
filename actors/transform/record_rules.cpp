#include <array>
#include <cstring>

#include "actors/transform/record_rule.hpp"
#include "actors/transform/redaction.hpp"
#include "messages/detail/hash.hpp"
#include "messages/ingest/ingest.hpp"
#include "messages/ingest/json_attributes.hpp"
#include "messages/ingest/json_fields.hpp"

namespace sluice {

namespace {

/// The body, or an attribute if one is named; nullptr if the record does not have it.
std::string_view* find_field(record_view& record, std::string_view name) noexcept {
  return name.empty() ? &record.body : find_attribute(record.attributes, name);
}

/// Sets the attributes that `Reader` finds in a text.
template <class Reader>
class parse_rule final : public record_rule {
public:
  template <class... How>
  parse_rule(std::string field, std::string prefix, How... how)
    : field_(std::move(field)), prefix_(std::move(prefix)), reader_(how...) {}

  rule_outcome apply(record_view& record, const record_place& at) override {
    auto* text = find_field(record, field_);
    if (!text)
      return rule_outcome::unchanged;
    attributes_ = record.attributes;
    auto outcome = reader_.read(*text, prefix_, attributes_);
    if (outcome == attribute_outcome::unparsed)
      return rule_outcome::unparsed;
    std::swap(record.attributes, attributes_);
    if (outcome == attribute_outcome::parsed && encoded_bound(record) <= at.max_bytes)
      return rule_outcome::changed;
    std::swap(record.attributes, attributes_);
    return rule_outcome::too_large;
  }

private:
  std::string field_, prefix_;
  Reader reader_;
  attribute_list attributes_; ///< Scratch.
};

/// Sets what `Parse` understands of an attribute.
template <auto Target, auto Parse>
class set_rule final : public record_rule {
public:
  explicit set_rule(std::string from) : from_(std::move(from)) {}

  rule_outcome apply(record_view& record, const record_place&) override {
    auto* text = find_attribute(record.attributes, from_);
    if (!text)
      return rule_outcome::unchanged;
    auto understood = Parse(*text);
    if (!understood)
      return rule_outcome::unparsed;
    auto& target = record.*Target;
    auto is_new = target != *understood;
    target = *understood;
    return is_new ? rule_outcome::changed : rule_outcome::unchanged;
  }

private:
  std::string from_;
};

class drop_rule final : public record_rule {
public:
  explicit drop_rule(drop_transform how) : how_(std::move(how)) {}

  rule_outcome apply(record_view& record, const record_place&) override {
    auto* text = find_field(record, how_.field);
    return text && matches(*how_.match, *text) ? rule_outcome::filtered : rule_outcome::unchanged;
  }

private:
  drop_transform how_;
};

class redact_rule final : public record_rule {
public:
  explicit redact_rule(const redact_transform& how) : field_(how.field), redaction_(how.match, how.with) {}

  bool takes_parts() const noexcept override { return true; }

  rule_outcome apply(record_view& record, const record_place& at) override {
    redaction_.begin();
    auto room = at.max_bytes - encoded_bound(record);
    auto outcome = rule_outcome::unchanged;
    if (field_.empty())
      redact(record.body, frame_limits::max_decoded_bytes, room, outcome);
    for (auto& [key, value] : record.attributes)
      if (field_.empty() || key == field_)
        redact(value, payload_limits::max_attribute_value_bytes, room, outcome);
    return outcome;
  }

private:
  void redact(std::string_view& text, std::size_t most, std::size_t& room, rule_outcome& outcome) {
    auto made = redaction_.apply(text, std::min(most, text.size() + room));
    if (!made.has_match)
      return;
    room = room + text.size() - made.text.size();
    text = made.text;
    if (outcome != rule_outcome::emptied)
      outcome = made.is_whole ? rule_outcome::changed : rule_outcome::emptied;
  }

  std::string field_;
  redaction redaction_;
};

/// Decides by what is the same whenever the record is seen again.
class sample_rule final : public record_rule {
public:
  sample_rule(std::uint64_t keep_one_in, std::uint64_t number) : keep_one_in_(keep_one_in), number_(number) {}

  rule_outcome apply(record_view&, const record_place& at) override {
    std::array<std::byte, sizeof at.stream + sizeof at.position + sizeof number_> seen;
    auto* to = seen.data();
    auto put = [&to](const void* from, std::size_t bytes) {
      std::memcpy(to, from, bytes);
      to += bytes;
    };
    put(&at.stream, sizeof at.stream);
    put(&at.position, sizeof at.position);
    put(&number_, sizeof number_);
    return detail::hash64(seen) % keep_one_in_ == 0 ? rule_outcome::unchanged : rule_outcome::sampled;
  }

private:
  std::uint64_t keep_one_in_, number_;
};

struct rule_maker {
  std::uint64_t number;

  using made = std::unique_ptr<record_rule>;

  made operator()(const parse_json_transform& x) const {
    return std::make_unique<parse_rule<json_attributes>>(x.field, x.prefix);
  }
  made operator()(const parse_key_value_transform& x) const {
    return std::make_unique<parse_rule<key_value_reader>>(x.field, x.prefix, x.form);
  }
  made operator()(const set_severity_transform& x) const {
    return std::make_unique<set_rule<&record_view::level, parse_ingest_severity>>(x.from);
  }
  made operator()(const set_timestamp_transform& x) const {
    return std::make_unique<set_rule<&record_view::time, parse_ingest_time>>(x.from);
  }
  made operator()(const drop_transform& x) const { return std::make_unique<drop_rule>(x); }
  made operator()(const redact_transform& x) const { return std::make_unique<redact_rule>(x); }
  made operator()(const sample_transform& x) const { return std::make_unique<sample_rule>(x.keep_one_in, number); }
};

} // namespace

std::unique_ptr<record_rule> make_rule(const record_transform& what, std::uint64_t number) {
  return std::visit(rule_maker{number}, what);
}

std::string_view name_of(const record_transform& what) noexcept {
  constexpr std::array<std::string_view, std::variant_size_v<record_transform>> names{
    "parse_json", "parse_key_value", "set_severity", "set_timestamp", "drop", "redact", "sample"};
  return names[what.index()];
}

} // namespace sluice
