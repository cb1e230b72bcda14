#include "messages/ingest/json_record_reader.hpp"

#include "messages/ingest/ingest.hpp"

namespace sluice {

auto json_record_reader::read(std::string_view text, timestamp now, record_view& record) -> expected<result> {
  auto parsed = document_.parse(text);
  if (!parsed)
    return fail(parsed.error());
  take_as_it_came(text, now, record);
  auto* object = (*parsed)->if_object();
  if (form_ == json_form::as_it_came || !object || !fields_.read(*object, record)) {
    take_as_it_came(text, now, record);
    return result::parsed;
  }
  if (fits(record))
    return result::parsed;
  take_as_it_came(text, now, record);
  return result::unparsed;
}

void take_as_it_came(std::string_view text, timestamp now, record_view& record) {
  record.time = now;
  record.level.reset();
  record.body = text;
  record.attributes.clear();
}

} // namespace sluice
