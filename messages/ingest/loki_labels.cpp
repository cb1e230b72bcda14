#include "messages/ingest/loki_labels.hpp"

#include <charconv>

namespace sluice {

namespace {

void append_utf8(std::string& to, std::uint32_t code) {
  auto byte = [&to](std::uint32_t value) { to.push_back(static_cast<char>(value)); };
  auto more = [&byte, code](int shift) { byte(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80)
    return byte(code);
  if (code < 0x800) {
    byte(0xc0 | (code >> 6));
    return more(0);
  }
  if (code < 0x10000) {
    byte(0xe0 | (code >> 12));
    more(6);
    return more(0);
  }
  byte(0xf0 | (code >> 18));
  more(12);
  more(6);
  more(0);
}

class label_scanner {
public:
  explicit label_scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  bool skip(char wanted) {
    skip_space();
    if (!rest_.starts_with(wanted))
      return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view name() {
    skip_space();
    auto end = std::min(rest_.find_first_of(" =,{}\""), rest_.size());
    auto found = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return found;
  }

  bool quoted(std::string& to) {
    if (!skip('"'))
      return false;
    while (!rest_.empty()) {
      auto c = take();
      if (c == '"')
        return true;
      if (c != '\\')
        to.push_back(c);
      else if (!escaped(to))
        return false;
    }
    return false;
  }

private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  char take() {
    auto c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  bool escaped(std::string& to) {
    if (rest_.empty())
      return false;
    constexpr std::string_view from = "abfnrtv\\\"'", becomes = "\a\b\f\n\r\t\v\\\"'";
    auto c = take();
    if (auto at = from.find(c); at != from.npos)
      to.push_back(becomes[at]);
    else if (c == 'x')
      return number(2, [&](std::uint32_t value) { to.push_back(static_cast<char>(value)); });
    else if (c == 'u' || c == 'U')
      return number(c == 'u' ? 4 : 8, [&](std::uint32_t value) { append_utf8(to, value); });
    else
      return false;
    return true;
  }

  template <class Put>
  bool number(std::size_t digits, Put put) {
    std::uint32_t value = 0;
    auto text = rest_.substr(0, digits);
    auto [end, failure] = std::from_chars(text.begin(), text.end(), value, 16);
    if (text.size() < digits || failure != std::errc{} || end != text.end() || value > 0x10ffff)
      return false;
    rest_.remove_prefix(digits);
    put(value);
    return true;
  }

  std::string_view rest_;
};

} // namespace

expected<loki_labels> parse_loki_labels(std::string_view text) {
  auto bad = [] { return fail(errc::malformed, R"(labels are written as {name="value", ...})"); };
  label_scanner scanner{text};
  loki_labels found;
  if (!scanner.skip('{'))
    return bad();
  while (!scanner.skip('}')) {
    if (!found.empty() && !scanner.skip(','))
      return bad();
    auto& [name, value] = found.emplace_back(scanner.name(), std::string{});
    if (name.empty() || !scanner.skip('=') || !scanner.quoted(value))
      return bad();
  }
  return scanner.at_end() ? expected<loki_labels>{std::move(found)} : bad();
}

} // namespace sluice
