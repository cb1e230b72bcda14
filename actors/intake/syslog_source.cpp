#include "actors/intake/syslog_source.hpp"

namespace sluice {

void syslog_source::give(const framed_piece& piece, timestamp now, const take_record& take) {
  auto message = piece.is_last ? without_trailer(piece.text) : piece.text;
  if (message.empty())
    return;
  if (!piece.is_first) {
    record_ = {};
    record_.time = now;
    record_.body = message;
  } else if (parser_.parse(message, now, record_) == syslog_format::unparsed) {
    ++counts_.unparsed;
  }
  take(record_);
}

} // namespace sluice
