#include <cstdint>
#include <string>
#include <string_view>

#include "cells.h"
#include "oracle.h"

namespace pollux::matrix {
namespace {

void add_told(std::string& words, std::string_view what, Tell tell) {
  if (tell == Tell::kNo) return;
  if (!words.empty()) words += ", ";
  if (tell == Tell::kMay) words += "perhaps ";
  words += what;
}

std::string_view control_bits(Wire wire) {
  switch (wire) {
    case Wire::kNothing:
      return "";
    case Wire::kAck:
      return "ACK";
    case Wire::kSynAck:
      return "SYN,ACK";
    case Wire::kRst:
      return "RST";
    case Wire::kRstAck:
      return "RST,ACK";
  }
  return "";
}

std::string number(SeqNum n) { return std::to_string(n.value()); }

}  // namespace

std::string_view name(State state) {
  switch (state) {
    case State::kClosed:
      return "CLOSED";
    case State::kListen:
      return "LISTEN";
    case State::kSynSent:
      return "SYN-SENT";
    case State::kSynReceived:
      return "SYN-RECEIVED";
    case State::kEstablished:
      return "ESTABLISHED";
    case State::kFinWait1:
      return "FIN-WAIT-1";
    case State::kFinWait2:
      return "FIN-WAIT-2";
    case State::kCloseWait:
      return "CLOSE-WAIT";
    case State::kClosing:
      return "CLOSING";
    case State::kLastAck:
      return "LAST-ACK";
    case State::kTimeWait:
      return "TIME-WAIT";
  }
  return "?";
}

std::string to_string(const Answer& answer) {
  if (answer.wire == Wire::kNothing) return "nothing";
  std::string words = "<SEQ=";
  words += answer.seq ? number(*answer.seq) : "ISS";
  words += ">";
  if (answer.wire != Wire::kRst) words += "<ACK=" + number(answer.ack) + ">";
  words += "<CTL=" + std::string{control_bits(answer.wire)} + ">";
  if (answer.reopens) words += " with an ISS after " + number(answer.after);
  if (answer.when == When::kSoon) words += " within 0.5 s";
  if (answer.when == When::kMay) words += " or nothing";
  return words;
}

std::string to_string(const Told& told) {
  std::string words;
  add_told(words, "connected", told.connected);
  if (told.text > 0) add_told(words, std::to_string(told.text) + " bytes", Tell::kMust);
  add_told(words, "urgent data", told.urgent);
  add_told(words, "end of text", told.end);
  add_told(words, "reset", told.reset);
  add_told(words, "refused", told.refused);
  return words.empty() ? "nothing" : words;
}

std::string to_string(const Outcome& outcome) {
  std::string words{name(outcome.state)};
  words += "; answer: " + to_string(outcome.answer);
  if (outcome.also.wire != Wire::kNothing) words += ", then " + to_string(outcome.also);
  words += "; application told: " + to_string(outcome.told);
  if (outcome.held > 0) words += "; holds " + std::to_string(outcome.held) + " bytes beyond a hole";
  if (outcome.fin_held) words += "; holds the FIN";
  return words;
}

std::string to_string(const Block& block) {
  std::string words{name(block.state)};
  if (block.state == State::kClosed || block.state == State::kListen) return words;
  if (block.state == State::kSynSent)
    return words + ": ISS " + number(block.iss) + ", SND.NXT " + number(block.snd_nxt);
  words += block.passive ? " (passive)" : " (active)";
  words += ": SND.UNA " + number(block.snd_una) + ", SND.NXT " + number(block.snd_nxt);
  words += ", MAX.SND.WND " + std::to_string(block.max_snd_wnd);
  words += ", RCV.NXT " + number(block.rcv_nxt) + ", RCV.WND " + std::to_string(block.rcv_wnd);
  return words;
}

std::string to_string(const Arrival& seg) {
  std::string words = "Flags [";
  if (seg.flags.fin) words += "F";
  if (seg.flags.syn) words += "S";
  if (seg.flags.rst) words += "R";
  if (seg.flags.psh) words += "P";
  if (seg.flags.ack) words += ".";
  if (seg.flags.urg) words += "U";
  if (words.back() == '[') words += "none";
  words += "], seq " + number(seg.seq) + ":" + number(seg.seq + seg.text);
  words += seg.flags.ack ? ", ack " : ", (no ack) ";
  words += number(seg.ack) + ", length " + std::to_string(seg.text);
  return words;
}

std::string to_string(SeqPlace place) {
  switch (place) {
    case SeqPlace::kOld:
      return "RCV.NXT-3MSS";
    case SeqPlace::kJustBefore:
      return "RCV.NXT-1";
    case SeqPlace::kAtNext:
      return "RCV.NXT";
    case SeqPlace::kInWindow:
      return "RCV.NXT+MSS";
    case SeqPlace::kLast:
      return "RCV.NXT+RCV.WND-1";
    case SeqPlace::kJustBeyond:
      return "RCV.NXT+RCV.WND";
    case SeqPlace::kFar:
      return "RCV.NXT+2^31";
  }
  return "?";
}

std::string to_string(AckPlace place) {
  switch (place) {
    case AckPlace::kTooOld:
      return "SND.UNA-MAX.SND.WND-1";
    case AckPlace::kDuplicate:
      return "SND.UNA or before";
    case AckPlace::kPart:
      return "before SND.NXT";
    case AckPlace::kAll:
      return "SND.NXT";
    case AckPlace::kUnsent:
      return "SND.NXT+1";
  }
  return "?";
}

}  // namespace pollux::matrix
