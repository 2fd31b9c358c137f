#include "verdict.h"

#include <array>

namespace pollux::matrix {
namespace {

using test::Sent;

bool same_flags(Wire wire, const TcpFlags& flags) {
  const bool syn = wire == Wire::kSynAck;
  const bool rst = wire == Wire::kRst || wire == Wire::kRstAck;
  const bool ack = wire != Wire::kRst;
  return flags.syn == syn && flags.rst == rst && flags.ack == ack && !flags.fin && !flags.urg;
}

bool is(const Answer& answer, const Sent& sent) {
  const Segment& seg = sent.segment();
  if (!same_flags(answer.wire, seg.flags) || !seg.text.empty()) return false;
  if (answer.seq && *answer.seq != seg.seq) return false;
  if (answer.reopens && seg.seq <= answer.after) return false;
  return answer.wire == Wire::kRst || seg.ack == answer.ack;
}

std::string answers_differ(const Outcome& outcome, const Observed& seen) {
  std::vector<Answer> due;
  for (const Answer& answer : {outcome.answer, outcome.also}) {
    if (answer.wire != Wire::kNothing) due.push_back(answer);
  }
  if (seen.at_once.size() > due.size()) return "it sends more";
  for (std::size_t i = 0; i < seen.at_once.size(); ++i) {
    if (!is(due[i], seen.at_once[i])) return "it sends another segment";
  }
  std::size_t later = 0;
  for (std::size_t i = seen.at_once.size(); i < due.size(); ++i) {
    if (due[i].when == When::kNow) return "it does not answer";
    if (due[i].when == When::kMay) continue;
    if (later == seen.later.size() || !is(due[i], seen.later[later])) return "it does not answer within 0.5 s";
    ++later;
  }
  return later < seen.later.size() ? "it sends more within 0.5 s" : "";
}

bool agrees(Tell tell, int times) { return times == 0 ? tell != Tell::kMust : times == 1 && tell != Tell::kNo; }

std::string told_differs(const Told& told, const Observed& seen) {
  if (!agrees(told.connected, seen.connected)) return "whether the application is told of the connection";
  if (!agrees(told.end, seen.end)) return "whether the application is told of the end";
  if (!agrees(told.reset, seen.reset)) return "whether the application is told of a reset";
  if (!agrees(told.refused, seen.refused)) return "whether the application is told of a refusal";
  if (!agrees(told.urgent, seen.urgent)) return "whether the application is told of urgent data";
  if (seen.ended_otherwise != 0) return "the connection ends for another reason";
  return told.text == seen.text.size() ? "" : "the text that the application gets";
}

// Where nobody is connected, only whether somebody listens differs, and that is the row's.
State without_listener(State state) { return state == State::kListen ? State::kClosed : state; }

}  // namespace

std::string difference(const Outcome& outcome, const Observed& seen) {
  if (without_listener(outcome.state) != without_listener(seen.state)) return "the state";
  if (const std::string why = answers_differ(outcome, seen); !why.empty()) return why;
  if (const std::string why = told_differs(outcome.told, seen); !why.empty()) return why;
  if (seen.snd_una && *seen.snd_una != outcome.snd_una) return "SND.UNA";
  if (outcome.state != State::kSynSent && seen.rcv_nxt && *seen.rcv_nxt != outcome.rcv_nxt) return "RCV.NXT";
  return seen.complaint;
}

std::string difference(const std::vector<Outcome>& outcomes, const Observed& seen) {
  std::string first;
  for (const Outcome& outcome : outcomes) {
    const std::string why = difference(outcome, seen);
    if (why.empty()) return "";
    if (first.empty()) first = why;
  }
  return first;
}

}  // namespace pollux::matrix
