#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <string_view>

#include <sluice/shipper.hpp>
#include <spdlog/sinks/sink.h>

namespace sluice {

/// Submits what is logged. The body is the message alone, without the logger's pattern; the attributes are `logger`,
/// `thread` and, where the call gives them, `file`, `line` and `function`. Needs no lock of its own: thread-safe as it
/// is. What Sluice itself logs is left out.
class spdlog_sink final : public spdlog::sinks::sink {
public:
  /// `flush()` of a logger waits for `flush_timeout` at most until what was logged is durable at the receiver; not at
  /// all by default, for what is submitted goes on by itself.
  explicit spdlog_sink(std::shared_ptr<shipper> to, std::chrono::milliseconds flush_timeout = {})
    : to_(std::move(to)), flush_timeout_(flush_timeout) {}

  void log(const spdlog::details::log_msg& x) override {
    std::array<attribute, 5> attributes;
    std::size_t count = 0;
    auto add = [&](std::string_view key, std::string_view value) {
      if (!value.empty())
        attributes[count++] = {key, value};
    };
    std::array<char, 24> thread, line;
    add("logger", {x.logger_name.data(), x.logger_name.size()});
    add("thread", digits(thread, x.thread_id));
    if (!x.source.empty()) {
      add("file", x.source.filename);
      add("line", digits(line, x.source.line));
      add("function", x.source.funcname ? x.source.funcname : "");
    }
    record made;
    made.body = {x.payload.data(), x.payload.size()};
    made.level = severity_of(x.level);
    made.attributes = {attributes.data(), count};
    made.time = std::chrono::time_point_cast<std::chrono::nanoseconds>(x.time);
    to_->submit(made);
  }

  void flush() override {
    if (flush_timeout_ > flush_timeout_.zero())
      static_cast<void>(to_->flush(flush_timeout_));
  }

  /// The message is shipped as it is.
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

private:
  template <class Number>
  static std::string_view digits(std::array<char, 24>& memory, Number x) {
    auto* end = std::to_chars(memory.data(), memory.data() + memory.size(), x).ptr;
    return {memory.data(), static_cast<std::size_t>(end - memory.data())};
  }

  static severity severity_of(spdlog::level::level_enum level) noexcept {
    switch (level) {
    case spdlog::level::critical:
      return severity::critical;
    case spdlog::level::err:
      return severity::error;
    case spdlog::level::warn:
      return severity::warning;
    case spdlog::level::info:
      return severity::informational;
    default:
      return severity::debug;
    }
  }

  std::shared_ptr<shipper> to_;
  std::chrono::milliseconds flush_timeout_;
};

} // namespace sluice
