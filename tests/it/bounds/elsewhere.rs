//! The rows of `docs/limits.md` that are not tried here, each with the test that does or with what it does instead.

/// What is bounded, and the file and name of the test that shows it at n and beyond.
pub const SHOWN: [(&str, &str, &str); 36] = [
    // Read from a setting or a message as one text.
    (
        "Windows of a rate limit",
        "src/rate_limit/gcra/tests.rs",
        "limits_are_read_in_the_spellings_that_people_use",
    ),
    (
        "Calls that a rate limit may speak of",
        "src/rate_limit/gcra/tests.rs",
        "limits_are_read_in_the_spellings_that_people_use",
    ),
    (
        "Period of a rate limit, seconds",
        "src/rate_limit/gcra/tests.rs",
        "limits_are_read_in_the_spellings_that_people_use",
    ),
    (
        "Callers whose use a replica remembers",
        "src/rate_limit/local.rs",
        "at_capacity_those_who_drain_soonest_are_forgotten",
    ),
    // What becomes of calls while Redis does not answer.
    (
        "A call waits for Redis",
        "tests/it/rate_limits/shared.rs",
        "without_redis_the_chosen_policy_holds_and_nobody_waits",
    ),
    (
        "Failures in a row before Redis is not asked",
        "src/rate_limit/redis/breaker.rs",
        "it_opens_after_more_failures_in_a_row_than_are_tolerated",
    ),
    (
        "Connections to Redis, a replica",
        "tests/it/rate_limits/shared.rs",
        "a_thousand_callers_share_a_few_connections",
    ),
    (
        "A kill switch waits for others' locks",
        "tests/it/kill.rs",
        "a_replica_stopped_inside_a_write_does_not_keep_the_switch_back",
    ),
    // Counted in steps, which no message states.
    ("Steps of a decision", "src/policy/decide/tests.rs", "beyond_the_budget_everything_is_denied"),
    // A policy of so many parts is refused for its rules before; the two refusals are told apart there.
    (
        "Rules, labels and texts in lists of a large message",
        "src/service/codec/bulk/tests.rs",
        "the_bounds_hold_at_n_and_not_at_n_plus_1",
    ),
    // A quarter of a million calls.
    (
        "Idempotency keys remembered",
        "src/service/enforcement/idempotency.rs",
        "a_full_map_pushes_out_the_oldest_of_whoever_has_most",
    ),
    (
        "Idempotency keys remembered of one agent",
        "tests/it/idempotency/repeats.rs",
        "beyond_an_agents_share_its_oldest_key_is_a_first_call_again",
    ),
    // Ten minutes, on a clock that a test sets.
    (
        "An idempotency key stands for its decision",
        "src/service/enforcement/idempotency.rs",
        "a_repeat_waits_for_the_first_and_then_knows_it",
    ),
    // A page ends at whole records.
    ("Page, bytes", "src/service/page.rs", "a_page_ends_at_2_mib_but_never_empty"),
    // No token that the server gives out is so long, so both sides of the bound are refused.
    ("Page token, bytes", "src/service/page.rs", "garbage_is_no_token"),
    // How calls fall into commits is the machine's to say.
    (
        "Entries of one commit",
        "src/audit/machine/tests/order.rs",
        "a_batch_stays_within_its_bound_and_no_call_is_torn",
    ),
    ("Entries waiting for the audit", "src/audit/machine/tests/order.rs", "a_full_queue_refuses_at_once"),
    (
        "A commit is waited for",
        "src/audit/machine/tests/doubt.rs",
        "half_a_second_without_a_commit_opens_the_breaker_for_who_waits_and_who_comes",
    ),
    (
        "A clock step back within one chain",
        "src/audit/machine/tests/order.rs",
        "a_clock_set_back_by_more_than_a_minute_closes_the_chain_and_opens_another",
    ),
    ("Findings of a verification", "tests/it/store/heads.rs", "findings_are_bounded_and_all_are_counted"),
    // More sockets than a test may open.
    ("Connections", "src/server/seats.rs", "one_address_leaves_seats_to_others"),
    (
        "Connections of one address",
        "src/server/tests/bounds.rs",
        "one_address_has_only_its_share_of_connections",
    ),
    (
        "Connections of `ADMIN_ADDR`, and of `HEALTH_ADDR`",
        "tests/it/prober/seats.rs",
        "a_listener_beside_the_main_one_has_fewer_seats",
    ),
    (
        "Connections of one address there",
        "tests/it/prober/seats.rs",
        "a_listener_beside_the_main_one_has_fewer_seats",
    ),
    (
        "Log lines that wait to be written",
        "src/telemetry/sink.rs",
        "a_reader_that_takes_nothing_keeps_nobody_waiting_and_what_is_dropped_is_counted_and_told",
    ),
    // Frames, which no message states.
    (
        "Frames of a connection that belong to no call",
        "src/server/chatter.rs",
        "a_flood_of_any_frame_that_is_no_call_is_cut_at_its_bound",
    ),
    (
        "Such frames that a frame of a call makes up for",
        "src/server/chatter.rs",
        "frames_are_found_however_the_bytes_are_cut",
    ),
    ("Such frames that a second makes up for", "src/server/chatter.rs", "every_second_makes_up_for_some"),
    // The client's library refuses to send it.
    (
        "Head of a request, bytes",
        "src/server/tests/bounds.rs",
        "a_head_that_is_too_large_is_refused_on_either_protocol",
    ),
    (
        "Messages in flight",
        "src/server/tests/bounds.rs",
        "one_message_more_than_may_be_in_flight_is_shed_but_health_answers",
    ),
    (
        "One agent's part of them, one in",
        "tests/it/attacks.rs",
        "an_agent_that_sends_slowly_leaves_agents_and_admins_served",
    ),
    (
        "Bytes of large messages in memory",
        "src/service/call.rs",
        "large_messages_are_bounded_of_one_agent_and_in_all_and_given_back",
    ),
    (
        "Bytes of one agent's large messages in memory",
        "src/service/call.rs",
        "large_messages_are_bounded_of_one_agent_and_in_all_and_given_back",
    ),
    (
        "Admins' messages in flight",
        "src/service/call.rs",
        "one_more_than_the_limit_is_shed_and_a_finished_one_makes_room",
    ),
    (
        "Open streams of health and reflection on a connection",
        "tests/it/attacks.rs",
        "without_a_key_one_connection_holds_few_streams_open",
    ),
    (
        "Streams reset before they are accepted",
        "src/server/tests/bounds.rs",
        "many_cancelled_calls_do_not_end_an_honest_connection",
    ),
];

/// What is bounded, and what happens beyond it.
pub const NO_REFUSAL: [(&str, &str); 5] = [
    ("Undecided messages of a stream", "more wait in the connection, by flow control"),
    ("A newer view is waited for", "a time; then UNAVAILABLE, or the view there is"),
    ("Reads a second caused by unknown keys, a replica", "the key is looked for in the view there is"),
    ("Look-ups of one decision in the database", "more wait"),
    ("Agents' listings in the database", "more wait"),
];

/// Bounds of the design whose features are not there.
pub const NOT_BUILT: [&str; 2] =
    ["failed logins recorded once per address and minute with a count", "exports and archives"];
