//! The life of money and authorizations, as lines of what is asked and what is answered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod books;
mod scenario;

use scenario::check;

#[test]
fn a_purchase_holds_and_a_capture_pays_the_network_and_the_fee() {
    check(
        "
        fund 100                    => funded
        authorize A1 50.00 USD      => approved 50 DUSD/6
        postings +minor             => spendable > held 50000000
        balance                     => current 50 pending 50 in 100 out 0
        show A1                     => pending held 50 captured 0 released 0 refunded 0 local 50.00
        capture A1                  => captured 50 fees 0.72
        postings +minor             => held > settlement 50000000, settlement > treasury 720000
        balance +minor              => current 50000000 pending 0 in 100000000 out 50000000
        house settlement +minor     => 49280000
        house treasury +minor       => 720000
        house world +minor          => -100000000
        show A1                     => captured held 0 captured 50 released 0 refunded 0 local 50.00
        refund A1 25.00             => refunded 25 fees 0.36
        postings +minor             => treasury > settlement 360000, settlement > spendable 25000000
        house treasury +minor       => 360000
        house settlement +minor     => 24640000
        balance +minor              => current 75000000 pending 0 in 125000000 out 50000000
        show A1                     => partially_refunded held 0 captured 50 released 0 refunded 25 local 50.00
        ",
    );
}

#[test]
fn capture_at_once_holds_and_takes_in_one_record() {
    check(
        "
        fund 100                        => funded
        authorize A1 50.00 USD +capture => approved 50 DUSD/6
        postings                        => spendable > held 50, held > settlement 50, settlement > treasury 0.72
        balance                         => current 50 pending 0 in 100 out 50
        show A1                         => captured held 0 captured 50 released 0 refunded 0 local 50.00
        capture A1                      => rejected: the authorization is captured: nothing is left to capture
        reverse A1                      => rejected: the authorization is captured: nothing is left to reverse
        increment A1 1.00               => rejected: the authorization is captured: nothing is left to increment
        refund A1                       => refunded 50 fees 0.72
        house treasury                  => 0
        house settlement                => 0
        balance                         => current 100 pending 0 in 150 out 50
        ",
    );
}

#[test]
fn money_that_is_held_cannot_be_spent_again() {
    check(
        "
        fund 100                   => funded
        authorize A1 60.00 USD     => approved 60 DUSD/6
        authorize A2 40.01 USD     => declined insufficient_funds 51
        balance                    => current 40 pending 60 in 100 out 0
        authorize A3 40.00 USD     => approved 40 DUSD/6
        authorize A4 0.01 USD      => declined insufficient_funds 51
        withdraw 0.000001          => rejected: insufficient funds: 0 of DUSD/6 available, 1 required
        reverse A3                 => reversed 40
        withdraw 0.000001          => withdrawn
        authorize A6 40.00 USD     => declined insufficient_funds 51
        authorize A7 39.99 USD     => approved 39.99 DUSD/6
        capture A2                 => rejected: authorization not found
        capture nobody             => rejected: authorization not found
        authorize A5 1.00 USD account=nobody => rejected: account not found
        ",
    );
}

#[test]
fn a_card_that_is_not_active_declines_with_its_reason() {
    check(
        "
        fund 100                               => funded
        status C frozen                        => now frozen
        authorize A1 1.00 USD                  => declined card_frozen 62
        status C active                        => now active
        authorize A2 1.00 USD                  => approved 1 DUSD/6
        status C disabled reason=LOST          => now disabled
        authorize A3 1.00 USD                  => declined card_disabled 41
        status C deleted                       => now deleted
        authorize A4 1.00 USD                  => declined card_deleted 14
        open S                                 => opened
        status S disabled reason=STOLEN        => now disabled
        authorize A5 1.00 USD account=S        => declined card_disabled 43
        open O expiry=2026-01                  => opened
        fund 10 account=O                      => funded
        wait 2026-01-31T23:59:59.999999Z       => waited
        authorize A6 1.00 USD account=O        => approved 1 DUSD/6
        wait 2026-02-01T00:00:01Z              => waited
        authorize A7 1.00 USD account=O        => declined card_expired 54
        open P +pocket                         => opened
        fund 10 account=P                      => funded
        authorize A8 1.00 USD account=P        => approved 1 DUSD/6
        balance C                              => current 99 pending 1 in 100 out 0
        ",
    );
}

#[test]
fn the_first_control_that_fails_gives_the_reason() {
    check(
        "
        # status before expiry before direction before currency before funds
        open X expiry=2025-12                             => opened
        status X frozen                                   => now frozen
        authorize A1 9.00 EUR account=X type=CREDIT       => declined card_frozen 62
        status X active                                   => now active
        authorize A2 9.00 EUR account=X type=CREDIT       => declined card_expired 54
        authorize A3 9.00 EUR type=CREDIT                 => declined credit_not_supported 57
        authorize A4 9.00 EUR                             => declined currency_not_supported 57
        authorize A5 9.00 USD                             => declined insufficient_funds 51
        authorize A6 9.00 EUR +partial                    => declined currency_not_supported 57
        authorize A7 9.00 USD +partial                    => declined insufficient_funds 51
        balance                                           => current 0 pending 0 in 0 out 0
        ",
    );
}

#[test]
fn a_partial_approval_takes_what_is_there() {
    check(
        "
        fund 30.009999                   => funded
        authorize A1 50.00 USD           => declined insufficient_funds 51
        authorize A2 50.00 USD +partial  => partially approved 30 DUSD/6
        show A2                          => pending held 30 captured 0 released 0 refunded 0 local 30.00
        balance                          => current 0.009999 pending 30 in 30.009999 out 0
        authorize A3 1.00 USD +partial   => declined insufficient_funds 51
        capture A2                       => captured 30 fees 0.432
        fund 5 account=C                 => funded
        authorize A4 5.00 USD +partial   => approved 5 DUSD/6
        authorize A5 1.00 USD +partial +capture => declined insufficient_funds 51
        fund 0.5                         => funded
        authorize A6 1.00 USD +partial +capture => partially approved 0.5 DUSD/6
        balance                          => current 0.009999 pending 5 in 35.509999 out 30.5
        ",
    );
}

#[test]
fn a_verification_and_a_question_hold_nothing() {
    check(
        "
        authorize A1 0.00 USD                        => approved 0 DUSD/6
        postings                                     =>
        show A1                                      => captured held 0 captured 0 released 0 refunded 0 local 0.00
        capture A1                                   => rejected: the authorization is captured: nothing is left to capture
        reverse A1                                   => rejected: the authorization is captured: nothing is left to reverse
        refund A1                                    => rejected: the authorization is captured: nothing is left to refund
        increment A1 1.00                            => rejected: the authorization is captured: nothing is left to increment
        expire A1                                    => rejected: authorization not found
        authorize A2 0.00 USD type=BALANCE_INQUIRY   => approved 0 DUSD/6
        authorize A3 0.00 USD +capture               => approved 0 DUSD/6
        status C frozen                              => now frozen
        authorize A4 0.00 USD                        => declined card_frozen 62
        ",
    );
}

#[test]
fn an_increment_holds_more_or_is_declined() {
    check(
        "
        fund 100                     => funded
        authorize A1 50.00 USD       => approved 50 DUSD/6
        increment A1 20.00           => incremented 20
        balance                      => current 30 pending 70 in 100 out 0
        show A1                      => pending held 70 captured 0 released 0 refunded 0 local 70.00
        increment A1 30.01           => declined insufficient_funds 51
        show A1                      => pending held 70 captured 0 released 0 refunded 0 local 70.00
        increment A1                 => rejected: local_amount must be above zero
        increment A1 0.00            => rejected: local_amount must be above zero
        increment A1 1.00 EUR        => rejected: the authorization is in USD
        increment A1 1.001           => rejected: USD has 2 decimal places, 3 were given
        increment A1 -1.00           => rejected: amount must not be negative, was -100
        capture A1 35.00             => captured 35 fees 0.504
        increment A1 30.00           => incremented 30
        show A1                      => partially_captured held 65 captured 35 released 0 refunded 0 local 100.00
        capture A1                   => captured 65 fees 0.936
        house treasury               => 1.44
        balance                      => current 0 pending 0 in 100 out 100
        ",
    );
}

#[test]
fn an_increment_meets_the_same_controls_as_a_purchase() {
    check(
        "
        fund 100                            => funded
        authorize A1 10.00 USD              => approved 10 DUSD/6
        status C frozen                     => now frozen
        increment A1 1.00                   => declined card_frozen 62
        status C disabled reason=LOST       => now disabled
        increment A1 1.00                   => declined card_disabled 41
        status C reason=STOLEN              => now disabled
        increment A1 1.00                   => declined card_disabled 43
        status C deleted                    => now deleted
        increment A1 1.00                   => declined card_deleted 14
        open O expiry=2026-01               => opened
        fund 100 account=O                  => funded
        authorize A2 10.00 USD account=O mcc=7011 => approved 10 DUSD/6
        wait 2026-02-01T00:00:01Z           => waited
        increment A2 1.00                   => declined card_expired 54
        capture A2                          => captured 10 fees 0.144
        ",
    );
}

#[test]
fn captures_add_up_to_the_hold() {
    check(
        "
        fund 100                            => funded
        authorize A1 50.00 USD              => approved 50 DUSD/6
        capture A1 16.67                    => captured 16.67 fees 0.240048
        show A1                             => partially_captured held 33.33 captured 16.67 released 0 refunded 0 local 50.00
        capture A1 16.67 final=false        => captured 16.67 fees 0.240048
        capture A1 16.66                    => captured 16.66 fees 0.239904
        house treasury                      => 0.72
        show A1                             => captured held 0 captured 50 released 0 refunded 0 local 50.00
        authorize A2 50.00 USD              => approved 50 DUSD/6
        capture A2 20.00 final=true         => captured 20 fees 0.288
        postings                            => held > settlement 20, settlement > treasury 0.288, held > spendable 30
        show A2                             => captured held 0 captured 20 released 30 refunded 0 local 50.00
        balance                             => current 30 pending 0 in 100 out 70
        authorize A3 30.00 USD              => approved 30 DUSD/6
        capture A3 final=false              => captured 30 fees 0.432
        authorize A4 0.00 USD               => approved 0 DUSD/6
        balance                             => current 0 pending 0 in 100 out 100
        ",
    );
}

#[test]
fn a_capture_beyond_the_hold_posts_and_says_so() {
    check(
        "
        fund 100                            => funded
        authorize A1 50.00 USD              => approved 50 DUSD/6
        capture A1 55.00                    => captured 55 fees 0.792 tolerated 5
        postings                            => held > settlement 50, spendable > settlement 5, settlement > treasury 0.792
        balance                             => current 45 pending 0 in 100 out 55
        show A1                             => captured held 0 captured 55 released 0 refunded 0 local 50.00
        authorize A2 40.00 USD              => approved 40 DUSD/6
        capture A2 10.00                    => captured 10 fees 0.144
        capture A2 60.00 final=false        => captured 60 fees 0.864 tolerated 4 adjusted 26
        balance                             => current -25 pending 0 in 100 out 125
        show A2                             => captured held 0 captured 70 released 0 refunded 0 local 40.00
        authorize A3 0.01 USD               => declined insufficient_funds 51
        authorize A4 0.00 USD               => approved 0 DUSD/6
        withdraw 1                          => rejected: insufficient funds: 0 of DUSD/6 available, 1000000 required
        refund A2 70.01                     => rejected: only 70.00 is left to refund, 70.01 was asked (captured)
        refund A2                           => refunded 70 fees 1.008
        balance                             => current 45 pending 0 in 170 out 125
        capture A2                          => rejected: the authorization is refunded: nothing is left to capture
        capture A1 0.00                     => rejected: the authorization is captured: nothing is left to capture
        ",
    );
}

#[test]
fn a_reversal_lets_go_whole_or_in_part() {
    check(
        "
        fund 100                     => funded
        authorize A1 50.00 USD       => approved 50 DUSD/6
        reverse A1 50.01             => rejected: only 50.00 is left to reverse, 50.01 was asked (pending)
        reverse A1 20.00             => reversed 20
        show A1                      => pending held 30 captured 0 released 20 refunded 0 local 50.00
        balance                      => current 70 pending 30 in 100 out 0
        reverse A1 30.01             => rejected: only 30.00 is left to reverse, 30.01 was asked (pending)
        capture A1 10.00             => captured 10 fees 0.144
        reverse A1                   => reversed 20
        show A1                      => captured held 0 captured 10 released 40 refunded 0 local 50.00
        reverse A1                   => rejected: the authorization is captured: nothing is left to reverse
        authorize A2 50.00 USD       => approved 50 DUSD/6
        reverse A2                   => reversed 50
        show A2                      => reversed held 0 captured 0 released 50 refunded 0 local 50.00
        reverse A2                   => rejected: the authorization is reversed: nothing is left to reverse
        capture A2                   => rejected: the authorization is reversed: nothing is left to capture
        capture A2 1.00              => rejected: the authorization is reversed: nothing is left to capture
        refund A2                    => rejected: the authorization is reversed: nothing is left to refund
        reverse A2 1.00              => rejected: the authorization is reversed: nothing is left to reverse
        balance                      => current 90 pending 0 in 100 out 10
        ",
    );
}

#[test]
fn a_reversal_then_a_capture_beyond_what_is_left() {
    check(
        "
        fund 100                     => funded
        authorize A1 50.00 USD       => approved 50 DUSD/6
        reverse A1 20.00             => reversed 20
        capture A1 40.00             => captured 40 fees 0.576 tolerated 5 adjusted 5
        balance                      => current 60 pending 0 in 100 out 40
        show A1                      => captured held 0 captured 40 released 20 refunded 0 local 50.00
        ",
    );
}

#[test]
fn a_hold_ends_by_time_and_not_before() {
    check(
        "
        fund 100                     => funded
        authorize A1 50.00 USD       => approved 50 DUSD/6
        expire A1                    => rejected: the authorization is pending: nothing is left to expire
        wait early A1                => waited
        expire A1                    => rejected: the authorization is pending: nothing is left to expire
        wait due A1                  => waited
        expire A1                    => expired 50
        show A1                      => expired held 0 captured 0 released 50 refunded 0 local 50.00
        balance                      => current 100 pending 0 in 100 out 0
        expire A1                    => rejected: authorization not found
        capture A1                   => rejected: the authorization is expired: nothing is left to capture
        authorize A2 50.00 USD mcc=7011 => approved 50 DUSD/6
        authorize A3 10.00 USD       => approved 10 DUSD/6
        capture A3 4.00              => captured 4 fees 0.0576
        wait due A3                  => waited
        expire A2                    => rejected: the authorization is pending: nothing is left to expire
        expire A3                    => expired 6
        show A3                      => captured held 0 captured 4 released 6 refunded 0 local 10.00
        wait due A2                  => waited
        expire A2                    => expired 50
        balance                      => current 96 pending 0 in 100 out 4
        ",
    );
}

#[test]
fn refunds_give_back_what_was_paid_and_no_more() {
    check(
        "
        fund 100                        => funded
        authorize A1 10.00 USD +capture => approved 10 DUSD/6
        refund A1 3.33                  => refunded 3.33 fees 0.047952
        refund A1 3.33                  => refunded 3.33 fees 0.047952
        refund A1 3.35                  => rejected: only 3.34 is left to refund, 3.35 was asked (partially_refunded)
        refund A1 0.00                  => rejected: local_amount must be above zero
        refund A1                       => refunded 3.34 fees 0.048096
        show A1                         => refunded held 0 captured 10 released 0 refunded 10 local 10.00
        refund A1                       => rejected: the authorization is refunded: nothing is left to refund
        refund A1 0.01                  => rejected: the authorization is refunded: nothing is left to refund
        house treasury                  => 0
        house settlement                => 0
        balance                         => current 100 pending 0 in 110 out 10
        authorize A2 10.00 USD          => approved 10 DUSD/6
        refund A2 1.00                  => rejected: the authorization is pending: nothing is left to refund
        capture A2 6.00                 => captured 6 fees 0.0864
        refund A2                       => refunded 6 fees 0.0864
        show A2                         => partially_refunded held 4 captured 6 released 0 refunded 6 local 10.00
        capture A2                      => captured 4 fees 0.0576
        refund A2                       => refunded 4 fees 0.0576
        show A2                         => refunded held 0 captured 10 released 0 refunded 10 local 10.00
        ",
    );
}

#[test]
fn a_refund_finds_its_owner_or_waits_in_suspense() {
    check(
        "
        fund 100                        => funded
        authorize A1 40.00 USD +capture => approved 40 DUSD/6
        status C frozen                 => now frozen
        refund A1 10.00                 => refunded 10 fees 0.144
        status C deleted                => now deleted
        refund A1 10.00 as=R1           => refunded 10 fees 0.144 suspended 10
        house suspense                  => 10
        balance                         => current 70 pending 0 in 110 out 40
        unrefund R1                     => refund_reversed 10 fees 0.144
        house suspense                  => 0
        balance                         => current 70 pending 0 in 110 out 40
        ",
    );
}

#[test]
fn a_refund_to_shared_money_needs_only_one_live_account() {
    check(
        "
        open P +pocket shares=C         => opened
        fund 100                        => funded
        authorize A1 40.00 USD +capture => approved 40 DUSD/6
        status C deleted                => now deleted
        refund A1 10.00                 => refunded 10 fees 0.144
        balance P                       => current 70 pending 0 in 110 out 40
        status P deleted                => now deleted
        refund A1 10.00                 => refunded 10 fees 0.144 suspended 10
        ",
    );
}

#[test]
fn a_refund_is_reversed_once_and_as_a_whole() {
    check(
        "
        fund 100                        => funded
        authorize A1 50.00 USD +capture => approved 50 DUSD/6
        refund A1 25.00 as=R1           => refunded 25 fees 0.36
        refund A1 10.00 as=R2           => refunded 10 fees 0.144
        unrefund R1 24.00               => rejected: only 25.00 is left to reverse (a refund is reversed as a whole), 24.00 was asked (partially_refunded)
        unrefund R1 25.00 USD           => refund_reversed 25 fees 0.36
        postings                        => spendable > settlement 25, settlement > treasury 0.36
        unrefund R1                     => rejected: the refund is already reversed: nothing of it is left to reverse
        show A1                         => partially_refunded held 0 captured 50 released 0 refunded 10 local 50.00
        balance                         => current 60 pending 0 in 135 out 75
        refund A1                       => refunded 40 fees 0.576
        show A1                         => refunded held 0 captured 50 released 0 refunded 50 local 50.00
        withdraw 95                     => withdrawn
        unrefund R2                     => refund_reversed 10 fees 0.144
        balance                         => current -5 pending 0 in 175 out 180
        ",
    );
}

#[test]
fn a_refund_reversal_takes_it_from_where_it_went() {
    check(
        "
        fund 100                        => funded
        authorize A1 50.00 USD +capture => approved 50 DUSD/6
        refund A1 20.00 as=R1           => refunded 20 fees 0.288
        status C deleted                => now deleted
        refund A1 10.00 as=R2           => refunded 10 fees 0.144 suspended 10
        unrefund R1                     => refund_reversed 20 fees 0.288
        house suspense                  => 10
        balance                         => current 50 pending 0 in 120 out 70
        # the money gets a face again: the refund is still in suspense
        open P +pocket shares=C         => opened
        unrefund R2                     => refund_reversed 10 fees 0.144
        house suspense                  => 0
        balance                         => current 50 pending 0 in 120 out 70
        ",
    );
}

#[test]
fn a_clearing_without_an_authorization_always_posts() {
    check(
        "
        fund 10                          => funded
        force F1 25.00 USD               => posted 25 DUSD/6
        postings                         => spendable > held 25, held > settlement 25, settlement > treasury 0.36
        balance                          => current -15 pending 0 in 10 out 25
        show F1                          => captured held 0 captured 25 released 0 refunded 0 local 25.00
        status C frozen                  => now frozen
        force F2 1.00 USD                => posted 1 DUSD/6
        force F3 100 JPY                 => posted 100 YEN/0
        balance asset=YEN/0              => current -100 pending 0 in 0 out 100
        force F4 1.00 EUR                => rejected: no asset equals EUR, and there is no rate for it: send usd_amount, or set a rate
        force F5 0.00 USD                => rejected: local_amount must be above zero
        force F6 1.00 USD account=nobody => rejected: account not found
        status C deleted                 => now deleted
        force F7 1.00 USD                => posted 1 DUSD/6
        refund F1                        => refunded 25 fees 0.36 suspended 25
        balance                          => current -17 pending 0 in 10 out 27
        ",
    );
}

#[test]
fn money_comes_and_goes_only_through_open_accounts() {
    check(
        "
        fund 0.000001                      => funded
        fund 100 asset=KSM/12              => funded
        balance +minor                     => current 1 pending 0 in 1 out 0
        withdraw 0.000002                  => rejected: insufficient funds: 1 of DUSD/6 available, 2 required
        withdraw 0.000001                  => withdrawn
        withdraw 40 asset=KSM/12           => withdrawn
        balance asset=KSM/12               => current 60 pending 0 in 100 out 40
        balance                            => current 0 pending 0 in 0.000001 out 0.000001
        house world asset=KSM/12           => -60
        status C frozen                    => now frozen
        fund 1                             => rejected: account is frozen
        withdraw 1                         => rejected: account is frozen
        fund 1 account=nobody              => rejected: account not found
        ",
    );
}

#[test]
fn a_transfer_within_a_group_is_one_record() {
    check(
        "
        open P +pocket                     => opened
        open Q +pocket shares=P            => opened
        fund 100                           => funded
        transfer 30 to=P                   => transferred
        postings                           => spendable > spendable 30
        balance                            => current 70 pending 0 in 100 out 30
        balance P                          => current 30 pending 0 in 30 out 0
        transfer 70.000001 to=P            => rejected: insufficient funds: 70000000 of DUSD/6 available, 70000001 required
        transfer 1 to=C                    => rejected: source and destination share one ledger account
        transfer 1 from=P to=Q             => rejected: source and destination share one ledger account
        status P frozen                    => now frozen
        transfer 1 to=P                    => rejected: account is frozen
        transfer 1 from=P to=C             => rejected: account is frozen
        transfer 1 to=Q                    => transferred
        balance P                          => current 31 pending 0 in 31 out 0
        ",
    );
}

#[test]
fn a_transfer_to_another_group_goes_through_transit() {
    check(
        "
        open D group=2                     => opened
        fund 100                           => funded
        transfer 30 to=D as=T1             => sent
        transfer 30 to=D as=T1             => rejected: the transfer is known already
        house transit                      => 30
        balance                            => current 70 pending 0 in 100 out 30
        balance D                          => current 0 pending 0 in 0 out 0
        receive T1                         => received
        receive T1                         => rejected: the transfer is known already
        house transit                      => 0
        balance D                          => current 30 pending 0 in 30 out 0
        settle T1                          => settled
        settle T1                          => rejected: transfer not found
        return T1                          => rejected: transfer not found
        status D frozen                    => now frozen
        transfer 20 to=D as=T2             => sent
        receive T2                         => rejected: account is frozen
        status C deleted                   => now deleted
        return T2                          => returned
        return T2                          => rejected: transfer not found
        settle T2                          => rejected: transfer not found
        house transit                      => 0
        balance                            => current 70 pending 0 in 120 out 50
        balance D                          => current 30 pending 0 in 30 out 0
        ",
    );
}

#[test]
fn accounts_of_one_ledger_account_share_its_money() {
    check(
        "
        open P +pocket shares=C            => opened
        open D shares=C                    => opened
        open E                             => opened
        open X shares=nobody               => rejected: ledger account not found
        fund 100 account=P                 => funded
        balance C                          => current 100 pending 0 in 100 out 0
        balance E                          => current 0 pending 0 in 0 out 0
        authorize A1 60.00 USD account=C   => approved 60 DUSD/6
        authorize A2 50.00 USD account=D   => declined insufficient_funds 51
        authorize A3 40.00 USD account=D   => approved 40 DUSD/6
        balance P                          => current 0 pending 100 in 100 out 0
        status C frozen                    => now frozen
        capture A1                         => captured 60 fees 0.864
        reverse A3                         => reversed 40
        withdraw 40 account=P              => withdrawn
        balance D                          => current 0 pending 0 in 100 out 100
        ",
    );
}

#[test]
fn the_first_asset_that_covers_all_of_it_pays() {
    check(
        "
        open M map=USD:UNIT/0,DUSD/6 default=KSM/12 fallback=FINE/18 => opened
        fund 3 asset=UNIT/0 account=M               => funded
        fund 100 asset=KSM/12 account=M             => funded
        authorize A1 2.01 USD account=M             => approved 3 UNIT/0
        authorize A2 2.01 USD account=M             => declined insufficient_funds 51
        fund 2 asset=DUSD/6 account=M               => funded
        authorize A3 2.01 USD account=M             => declined insufficient_funds 51
        fund 9 asset=FINE/18 account=M              => funded
        authorize A4 2.01 USD account=M             => approved 2.01 FINE/18
        authorize A5 2.00 USD account=M             => approved 2 DUSD/6
        authorize A6 100 JPY account=M              => declined currency_not_supported 57
        authorize A7 9.00 USD account=M +partial    => partially approved 6.99 FINE/18
        capture A1 1.00                             => captured 1
        capture A1                                  => captured 2
        balance M asset=UNIT/0                      => current 0 pending 0 in 3 out 3
        ",
    );
}

#[test]
fn an_asset_coarser_than_the_currency_rounds_the_debit_up_and_the_parts_down() {
    check(
        "
        open U default=UNIT/0                       => opened
        fund 10 asset=UNIT/0 account=U              => funded
        authorize A1 1.50 USD account=U             => approved 2 UNIT/0
        capture A1 0.50                             => captured 0
        show A1 asset=UNIT/0                        => pending held 2 captured 0 released 0 refunded 0 local 1.50
        refund A1 0.50                              => refunded 0
        capture A1                                  => captured 2
        refund A1                                   => refunded 2
        balance U asset=UNIT/0                      => current 10 pending 0 in 12 out 2
        authorize A2 1.50 USD account=U             => approved 2 UNIT/0
        increment A2 0.50                           => incremented 0
        increment A2 0.01                           => incremented 1
        reverse A2 1.00                             => reversed 1
        reverse A2                                  => reversed 2
        authorize A3 10.01 USD account=U +partial   => partially approved 10 UNIT/0
        ",
    );
}

#[test]
fn currencies_have_their_own_decimal_places() {
    check(
        "
        open J default=YEN/0                     => opened
        open B default=BHDX/1                    => opened
        open F default=FINE/18                   => opened
        fund 1000 asset=YEN/0 account=J          => funded
        fund 10 asset=BHDX/1 account=B           => funded
        fund 1 asset=FINE/18 account=F           => funded
        authorize A1 999 JPY account=J           => approved 999 YEN/0
        increment A1 0.5                         => rejected: JPY has 0 decimal places, 1 were given
        authorize A2 1.001 BHD account=B         => approved 1.1 BHDX/1
        authorize A3 0.01 USD account=F          => approved 0.01 FINE/18
        capture A1 1000                          => captured 1000 fees 14 tolerated 1
        capture A2                               => captured 1.1
        capture A3                               => captured 0.01 fees 0.000144
        balance J asset=YEN/0                    => current 0 pending 0 in 1000 out 1000
        ",
    );
}

#[test]
fn an_account_number_is_given_once() {
    let mut world = scenario::World::with_card();
    let again = world.open_again("C");
    assert_eq!(again, "rejected: the account exists already");
}

mod transitions {
    //! Every pair of states against the table of the Bloque docs (Card States), written out again.

    use cardwright::domain::{
        account::{Account, Medium, Status, StatusReason},
        command::{ChangeAccount, Command, Context},
        decide::decide,
        event::Event,
        group::Group,
        ids::{AccountNo, ActorId, LedgerNo},
        outcome::Rejection,
        policy::Policy,
        time::Timestamp,
    };

    const LEGAL: [(&str, &str); 9] = [
        ("creation_in_progress", "active"),
        ("creation_in_progress", "creation_failed"),
        ("active", "frozen"),
        ("active", "disabled"),
        ("active", "deleted"),
        ("frozen", "active"),
        ("frozen", "disabled"),
        ("frozen", "deleted"),
        ("disabled", "deleted"),
    ];

    fn group_with(status: Status) -> Group {
        let mut group = Group::new(ActorId(1));
        group.accounts.push(Account {
            card: None,
            no: AccountNo(1),
            medium: Medium::Virtual,
            holder_urn: "did:bloque:sandbox:demo".into(),
            ledger: LedgerNo(1),
            status,
            status_reason: Some(StatusReason::Lost),
            webhook_url: None,
            metadata: "{}".into(),
            policy: Policy::default(),
            usage: None,
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(1),
        });
        group
    }

    #[test]
    fn every_pair_of_states_is_allowed_or_refused_by_the_table() {
        let terms = crate::books::terms();
        let context = Context::plain(Timestamp::from_micros(2), &terms);
        for from in Status::ALL {
            for to in Status::ALL {
                let command = Command::ChangeAccount(Box::new(ChangeAccount {
                    card: None,
                    account: AccountNo(1),
                    status: Some(to),
                    status_reason: Some(StatusReason::User),
                    metadata: None,
                    webhook_url: None,
                }));
                let decided = decide(&group_with(from), &command, &context);
                let legal = LEGAL.contains(&(from.word(), to.word()));
                if !legal {
                    let refused = Err(Rejection::IllegalTransition { from, to });
                    assert_eq!(decided, refused, "{from:?} -> {to:?}");
                    continue;
                }
                // Whoever makes an account says when it is made, nobody else.
                if from == Status::CreationInProgress {
                    let refused = Err(Rejection::AccountNotOpen { status: from });
                    assert_eq!(decided, refused, "{from:?} -> {to:?}");
                    continue;
                }
                let events = decided.unwrap();
                let [Event::AccountChanged { account, .. }] = events.as_slice() else {
                    panic!("{from:?} -> {to:?} is one change: {events:?}");
                };
                assert_eq!(account.status, to);
                assert_eq!(account.status_reason, Some(StatusReason::User));
                assert_eq!(account.updated_at, Timestamp::from_micros(2));
                assert_eq!(account.created_at, Timestamp::from_micros(1));
            }
        }
    }
}
