#include "tcp/verdict.h"

#include <array>

namespace pollux::tcp {
namespace {

struct Words {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<Words, kVerdictCount> kWords = {{
    {"continue", "A check passed."},
    {"accepted", "The segment was taken."},
    {"reset_sent", "The segment belongs to no connection and was answered with a reset."},
    {"connection_reset", "A reset at exactly RCV.NXT ended the connection."},
    {"connection_refused", "A reset ended a connection that was opening."},
    {"listen_ignored", "A listener got a segment with neither SYN nor ACK, or a reset."},
    {"syn_with_fin", "A listener got SYN and FIN in one segment."},
    {"out_of_window", "The segment lies outside the receive window."},
    {"duplicate",
     "All of the segment came before: it was sent again, overtaken, or sent to keep the connection alive."},
    {"paws", "The segment's timestamp is older than the last one taken."},
    {"rst_out_of_window", "A reset lies outside the receive window."},
    {"challenged_rst", "A reset in the window but not at RCV.NXT was challenged, not believed."},
    {"challenged_syn", "A SYN for an open connection was challenged."},
    {"duplicate_syn", "The peer's SYN came again; the SYN-ACK is sent again."},
    {"no_ack", "The segment carries no acknowledgment."},
    {"ack_of_unsent", "The segment acknowledges what was never sent."},
    {"ack_too_old", "The acknowledgment lies too far back to be genuine."},
    {"rst_ignored", "A reset was ignored as the state demands."},
    {"syn_sent_ignored", "A segment without SYN came while our SYN was outstanding."},
    {"no_memory", "There was no room to hold the text; the peer will send it again."},
    {"reopen", "A new SYN ended TIME-WAIT."},
    {"data_after_close", "Text came for an application that has closed; the connection was reset."},
}};

}  // namespace

std::string_view name(Verdict verdict) { return kWords[static_cast<std::size_t>(verdict)].name; }

std::string_view describe(Verdict verdict) { return kWords[static_cast<std::size_t>(verdict)].sentence; }

}  // namespace pollux::tcp
