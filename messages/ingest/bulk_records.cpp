#include "messages/ingest/bulk_records.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "messages/ingest/json_document.hpp"
#include "messages/ingest/json_fields.hpp"

namespace sluice {

namespace {

namespace json = boost::json;

constexpr std::size_t max_id_bytes = 512;

/// Items repeat the name of the index, and may be many times as long as their actions.
constexpr std::size_t max_items_bytes = 16 * 1024 * 1024;

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

struct bulk_action {
  std::string name, index, id;

  bool has_document() const { return name != "delete"; }
};

/// The string `key` of `from`, or `otherwise`.
std::string string_of(const json::object& from, json::string_view key, std::string_view otherwise) {
  auto* found = from.if_contains(key);
  auto* text = found ? found->if_string() : nullptr;
  return std::string{text ? view(*text) : otherwise};
}

struct refusal {
  std::string_view type, reason;
};

/// Why there is no record, if there is none.
using verdict = std::optional<refusal>;

verdict judge(const bulk_action& action) {
  constexpr std::string_view bad_argument = "illegal_argument_exception";
  if (action.name != "index" && action.name != "create")
    return refusal{bad_argument, "logs are only added; use index or create"};
  if (action.index.empty() || action.index.size() > max_bulk_index_bytes)
    return refusal{bad_argument, "the index needs a name of 1 to 255 bytes"};
  if (action.id.size() > max_id_bytes)
    return refusal{bad_argument, "the id is longer than 512 bytes"};
  return std::nullopt;
}

/// Reads pairs of lines.
class bulk_reader {
public:
  bulk_reader(std::string_view body, std::string_view index, timestamp now, const ingest_take& take)
    : rest_(body), index_(index), now_(now), take_(take) {}

  expected<bulk_outcome> read() {
    while (auto line = next_line()) {
      if (line->empty())
        continue;
      auto action = read_action(*line);
      if (!action)
        return fail(action.error());
      std::optional<std::string_view> document{std::in_place};
      if (action->has_document() && !(document = next_line()))
        return fail(errc::malformed, fmt::format("line {}: the action has no document", line_));
      add(*action, *document);
      if (items_.size() > max_items_bytes)
        return fail(errc::too_large, "the answer would take more than 16 MiB; send fewer actions at a time");
    }
    return bulk_outcome{std::move(counts_), fmt::format(R"({{"took":0,"errors":{},"items":[{}]}})", has_errors_, items_)};
  }

private:
  std::optional<std::string_view> next_line() {
    if (rest_.empty())
      return std::nullopt;
    ++line_;
    auto end = rest_.find('\n');
    auto line = rest_.substr(0, end);
    rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    return line;
  }

  expected<bulk_action> read_action(std::string_view line) {
    auto bad = [this] { return fail(errc::malformed, fmt::format("line {} is no action", line_)); };
    auto parsed = document_.parse(line);
    auto* object = parsed ? (*parsed)->if_object() : nullptr;
    if (!object || object->size() != 1)
      return bad();
    auto& [key, value] = *object->begin();
    auto name = view(key);
    if (!value.is_object() || (name != "index" && name != "create" && name != "update" && name != "delete"))
      return bad();
    auto& fields = value.get_object();
    return bulk_action{std::string{name}, string_of(fields, "_index", index_), string_of(fields, "_id", {})};
  }

  void add(const bulk_action& action, std::string_view document) {
    auto refused = judge(action);
    if (!refused)
      refused = give(action, document);
    answer(action, refused);
  }

  verdict give(const bulk_action& action, std::string_view document) {
    auto parsed = document_.parse(document);
    auto* object = parsed ? (*parsed)->if_object() : nullptr;
    if (!object)
      return refusal{"document_parsing_exception", "the document is no JSON object, or takes too much memory"};
    record_.time = now_;
    read_time_and_severity(*object, record_);
    record_.body = document;
    record_.attributes.assign(1, {"index", action.index});
    if (!action.id.empty())
      record_.attributes.emplace_back("id", action.id);
    ++counts_.records;
    take_(record_);
    return std::nullopt;
  }

  void answer(const bulk_action& action, const verdict& refused) {
    auto quoted = [](const std::string& text) { return json::serialize(json::string_view{text}); };
    if (!items_.empty())
      items_ += ',';
    items_ += fmt::format(R"({{"{}":{{"_index":{})", action.name, quoted(action.index));
    if (!action.id.empty())
      items_ += fmt::format(R"(,"_id":{})", quoted(action.id));
    if (!refused) {
      items_ += R"(,"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"status":201}})";
      return;
    }
    has_errors_ = true;
    ++counts_.refused;
    items_ +=
      fmt::format(R"(,"status":400,"error":{{"type":"{}","reason":"{}"}}}}}})", refused->type, refused->reason);
  }

  std::string_view rest_, index_;
  timestamp now_;
  const ingest_take& take_;
  json_document document_;
  record_view record_;
  std::size_t line_ = 0;
  ingest_counts counts_;
  bool has_errors_ = false;
  std::string items_;
};

} // namespace

expected<bulk_outcome> read_bulk(
  std::string_view body, std::string_view index, timestamp now, const ingest_take& take) {
  return check_then_take(
    [&](const ingest_take& to) { return bulk_reader{body, index, now, to}.read(); }, take);
}

} // namespace sluice
