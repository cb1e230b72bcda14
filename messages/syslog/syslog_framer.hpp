#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "messages/line_framer.hpp"

namespace sluice {

/// Finds the messages of one connection that speaks syslog (docs/specs/syslog.md, "Framing"; RFC 6587). Nothing that is
/// fed is lost: what breaks the framing comes out as lines. Not thread-safe.
class syslog_framer {
public:
  explicit syslog_framer(std::size_t max_message_bytes) : max_bytes_(max_message_bytes), lines_(max_message_bytes) {}

  /// As `line_framer::feed`. The last piece of a message still has what `without_trailer` removes.
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    if (framing_ == framing::unknown)
      bytes = recognise(bytes, take);
    if (framing_ == framing::counted)
      bytes = feed_counted(bytes, take);
    if (framing_ == framing::lines && !bytes.empty())
      lines_.feed(bytes, take);
  }

  template <class Take>
  void finish(Take&& take) {
    if (!partial_.empty() && left_ > 0)
      give({}, true, take);
    else if (!partial_.empty())
      lines_.feed(partial_, take);
    lines_.finish(take);
  }

  /// As `line_framer::cut`.
  template <class Take>
  void cut(Take&& take) {
    if (!partial_.empty() && left_ > 0)
      give({}, false, take);
    lines_.cut(take);
  }

  std::size_t held_bytes() const noexcept { return lines_.held_bytes() + (partial_.empty() ? 0 : partial_.capacity()); }

  /// Whether octet counting has met something else than a length.
  bool is_broken() const noexcept { return is_broken_; }

private:
  enum class framing : std::uint8_t { unknown, lines, counted };

  static constexpr std::size_t max_length_digits = 10;

  /// The framing that a connection has which begins with `text`; unknown if that is too short to say.
  static framing framing_of(std::string_view text) noexcept {
    auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (text.starts_with('0') || digits > max_length_digits || (digits == 0 && !text.empty()))
      return framing::lines;
    auto rest = text.substr(digits);
    if (rest.size() < 2)
      return rest.empty() || rest == " " ? framing::unknown : framing::lines;
    return rest.starts_with(" <") ? framing::counted : framing::lines;
  }

  /// Holds the first bytes until they tell; gives back what is still to be fed.
  template <class Take>
  std::string_view recognise(std::string_view bytes, Take& take) {
    while (framing_ == framing::unknown && !bytes.empty()) {
      partial_ += bytes.front();
      bytes.remove_prefix(1);
      framing_ = framing_of(partial_);
    }
    if (framing_ == framing::unknown)
      return {};
    auto held = std::exchange(partial_, {});
    feed(held, take);
    return bytes;
  }

  /// Gives back what is not octet counting any more.
  template <class Take>
  std::string_view feed_counted(std::string_view bytes, Take& take) {
    while (!bytes.empty()) {
      if (left_ == 0 && !take_length(bytes, take))
        return framing_ == framing::counted ? std::string_view{} : bytes;
      auto part = bytes.substr(0, std::min<std::uint64_t>(left_, max_bytes_ - partial_.size()));
      bytes.remove_prefix(part.size());
      left_ -= part.size();
      if (left_ == 0 || partial_.size() + part.size() == max_bytes_) {
        give(part, left_ == 0, take);
      } else {
        partial_.append(part);
      }
    }
    return {};
  }

  /// Whether a message begins. Otherwise the length goes on in the next bytes, or it is none.
  template <class Take>
  bool take_length(std::string_view& bytes, Take& take) {
    while (!bytes.empty()) {
      auto next = bytes.front();
      if (next == ' ' && !partial_.empty()) {
        bytes.remove_prefix(1);
        for (auto digit : std::exchange(partial_, {}))
          left_ = left_ * 10 + static_cast<std::uint64_t>(digit - '0');
        return !bytes.empty();
      }
      auto least = partial_.empty() ? '1' : '0';
      if (next < least || next > '9' || partial_.size() == max_length_digits) {
        is_broken_ = true;
        framing_ = framing::lines;
        lines_.feed(std::exchange(partial_, {}), take);
        return false;
      }
      partial_ += next;
      bytes.remove_prefix(1);
    }
    return false;
  }

  template <class Take>
  void give(std::string_view end, bool is_last, Take& take) {
    auto is_first = !std::exchange(continues_, !is_last);
    if (partial_.empty())
      return take(framed_piece{end, is_first, is_last});
    take(framed_piece{partial_.append(end), is_first, is_last});
    std::string{}.swap(partial_);
  }

  std::size_t max_bytes_;
  line_framer lines_;
  framing framing_ = framing::unknown;
  std::string partial_;    ///< Of a length, or of a message if some of it is left.
  std::uint64_t left_ = 0; ///< Of the message at hand.
  bool continues_ = false, is_broken_ = false;
};

/// A message without what ends it: one LF, CR LF or NUL.
constexpr std::string_view without_trailer(std::string_view message) noexcept {
  if (message.ends_with('\0'))
    message.remove_suffix(1);
  if (message.ends_with('\n'))
    message.remove_suffix(1);
  if (message.ends_with('\r'))
    message.remove_suffix(1);
  return message;
}

} // namespace sluice
