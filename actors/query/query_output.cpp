#include "actors/query/query_output.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "actors/text/json_text.hpp"
#include "actors/text/time_text.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;

/// Collects output into large writes.
class output_buffer {
public:
  explicit output_buffer(byte_output output) : output_(std::move(output)) {}

  std::string& text() { return text_; }

  /// Call after text was appended. Returns whether output is still taken.
  bool pass_on() { return text_.size() < buffer_bytes || flush(); }

  /// Appends much at once, past the buffer.
  bool write(std::string_view large) {
    if (text_.size() + large.size() < buffer_bytes) {
      text_ += large;
      return true;
    }
    return flush() && output_(as_bytes(large));
  }

  bool flush() {
    auto taken = text_.empty() || output_(as_bytes(text_));
    text_.clear();
    return taken;
  }

private:
  byte_output output_;
  std::string text_;
};

/// For people, as `12 records dropped (drop_newest) from T to T, stream S`.
std::string describe_gap(const frame_header& header, std::string_view reason) {
  auto is_known = header.record_count > 0;
  auto count = is_known ? header.record_count : header.position_end - header.position_begin;
  return fmt::format("gap: {} {} ({}) from {} to {}, stream {}", counted(count, is_known ? "record" : "byte"),
    reason == gap_reason::stored_elsewhere ? "in another store" : "dropped", reason,
    format_timestamp(header.first_timestamp), format_timestamp(header.last_timestamp), to_string(header.stream));
}

/// A writer whose output has no place for gaps.
class gap_telling_writer : public query_writer {
public:
  explicit gap_telling_writer(gap_output on_gap) : on_gap_(std::move(on_gap)) {}

  bool gap(const frame_header& header, std::string_view reason) override {
    auto is_wanted = reason == gap_reason::filtered || reason == gap_reason::sampled;
    if (on_gap_ && !is_wanted)
      on_gap_(describe_gap(header, reason));
    return true;
  }

private:
  gap_output on_gap_;
};

class raw_writer : public gap_telling_writer {
  struct stream_end {
    stream_id stream;
    std::uint64_t position = 0;
  };

public:
  raw_writer(byte_output output, gap_output on_gap) : gap_telling_writer(std::move(on_gap)), out_(std::move(output)) {}

  bool record(const frame_header& header, const record_view& record, std::uint32_t index) override {
    separate(header, index);
    auto taken = out_.write(record.body);
    if (record.terminated)
      out_.text() += '\n';
    else
      open_end_ = stream_end{header.stream, header.position_end};
    return taken && out_.pass_on();
  }

  bool takes_lines() const override { return true; }

  bool lines(const frame_header& header, std::string_view text, std::uint32_t) override {
    separate(header, 0);
    if (!text.ends_with('\n'))
      open_end_ = stream_end{header.stream, header.position_end};
    return out_.write(text);
  }

  bool finish() override { return out_.flush(); }

private:
  /// Ends a record that had no LF, unless what comes now goes on with it.
  void separate(const frame_header& header, std::uint32_t index) {
    if (!open_end_)
      return;
    auto goes_on = header.stream == open_end_->stream && header.position_begin == open_end_->position && index == 0;
    if (!goes_on)
      out_.text() += '\n';
    open_end_.reset();
  }

  output_buffer out_;
  std::optional<stream_end> open_end_; ///< Where the output stands, if its last record had no LF.
};

class json_writer : public query_writer {
public:
  explicit json_writer(byte_output output) : out_(std::move(output)) {}

  bool record(const frame_header& header, const record_view& record, std::uint32_t index) override {
    auto& text = out_.text();
    text += R"({"timestamp":")";
    text += format_timestamp(record.time);
    text += R"(","severity":)";
    if (record.level)
      append_json_string(text, to_string(*record.level));
    else
      text += "null";
    append_body(text, record.body);
    text += R"(,"labels":)";
    append_object(text, header.labels);
    text += R"(,"attributes":)";
    append_object(text, record.attributes);
    fmt::format_to(std::back_inserter(text), R"(,"stream":"{}","sequence":{},"index":{})", to_string(header.stream),
      header.sequence, index);
    text += record.terminated ? "}\n" : ",\"unterminated\":true}\n";
    return out_.pass_on();
  }

  bool gap(const frame_header& header, std::string_view reason) override {
    auto& text = out_.text();
    auto records = header.record_count > 0 ? fmt::format("{}", header.record_count) : "null";
    fmt::format_to(std::back_inserter(text),
      R"({{"gap":{{"records":{},"reason":"{}","from":"{}","to":"{}","bytes":{}}})", records, reason,
      format_timestamp(header.first_timestamp), format_timestamp(header.last_timestamp),
      header.position_end - header.position_begin);
    text += R"(,"labels":)";
    append_object(text, header.labels);
    fmt::format_to(
      std::back_inserter(text), R"(,"stream":"{}","sequence":{}}})", to_string(header.stream), header.sequence);
    text += '\n';
    return out_.pass_on();
  }

  bool finish() override { return out_.flush(); }

private:
  static void append_body(std::string& text, std::string_view body) {
    text += R"(,"body":)";
    append_json_string(text, body);
    if (is_utf8(body))
      return;
    text += R"(,"body_base64":")";
    auto at = text.size();
    // The encoder ends its output with a NUL.
    text.resize(at + (body.size() + 2) / 3 * 4 + 1);
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data() + at),
      reinterpret_cast<const unsigned char*>(body.data()), static_cast<int>(body.size()));
    text.back() = '"';
  }

  template <class Pairs>
  static void append_object(std::string& text, const Pairs& pairs) {
    text += '{';
    for (auto separator = ""; const auto& [key, value] : pairs) {
      text += std::exchange(separator, ",");
      append_json_string(text, key);
      text += ':';
      append_json_string(text, value);
    }
    text += '}';
  }

  output_buffer out_;
};

class count_writer : public gap_telling_writer {
public:
  count_writer(byte_output output, gap_output on_gap)
    : gap_telling_writer(std::move(on_gap)), output_(std::move(output)) {}

  bool record(const frame_header&, const record_view&, std::uint32_t) override {
    ++count_;
    return true;
  }

  bool takes_lines() const override { return true; }

  bool lines(const frame_header&, std::string_view, std::uint32_t count) override {
    count_ += count;
    return true;
  }

  bool finish() override { return output_(as_bytes(fmt::format("{}\n", count_))); }

private:
  byte_output output_;
  std::uint64_t count_ = 0;
};

} // namespace

expected<query_format> parse_query_format(std::string_view text) {
  if (text == "raw")
    return query_format::raw;
  if (text == "json")
    return query_format::json;
  if (text == "count")
    return query_format::count;
  return fail(errc::invalid_argument, fmt::format("output '{}' is not one of raw, json, count", text));
}

std::unique_ptr<query_writer> make_query_writer(query_format format, byte_output output, gap_output on_gap) {
  switch (format) {
  case query_format::raw:
    return std::make_unique<raw_writer>(std::move(output), std::move(on_gap));
  case query_format::json:
    return std::make_unique<json_writer>(std::move(output));
  case query_format::count:
    break;
  }
  return std::make_unique<count_writer>(std::move(output), std::move(on_gap));
}

} // namespace sluice
