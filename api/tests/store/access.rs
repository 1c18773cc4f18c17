//! Tenants, tokens, and everything that works once or for a while.

use std::sync::Arc;

use api::{
    domain::tenant::{Session, Tenant, Token},
    store::{Created, Idempotency, Store},
};
use wire::{TenantId, TokenId, access::Scope, ids::TicketId};

use crate::fixture::{at_once, later, new_agent, now, tenant, token};

fn session(token: &Token, hash: u8, seconds: i64) -> Session {
    Session {
        hash: [hash; 32],
        tenant: token.tenant,
        token: token.id,
        scopes: vec![Scope::AgentsWrite],
        expires_at: later(seconds),
    }
}

pub(crate) async fn tenants_read_back_and_are_made_once(store: &Arc<dyn Store>) {
    let make = |number, name: &str| Tenant {
        id: TenantId::from_u128(number),
        name: name.to_owned(),
        max_agents: u32::MAX,
        created_at: now(),
    };
    let (second, first) = (make(2, "second"), make(1, "first"));
    for tenant in [&second, &first] {
        assert!(store.create_tenant(tenant.clone()).await.unwrap());
    }
    assert!(!store.create_tenant(make(1, "again")).await.unwrap());
    assert_eq!(store.tenant(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.tenant(TenantId::new()).await.unwrap(), None);
    assert_eq!(store.tenants().await.unwrap(), [first, second]);
}

pub(crate) async fn tokens_read_back_newest_first_and_are_removed_by_their_tenant(store: &Arc<dyn Store>) {
    let (mine, other) = (tenant(store, 1).await, tenant(store, 1).await);
    let base = token(store, other).await;
    let make = |number| Token {
        id: TokenId::from_u128(number),
        tenant: mine,
        expires_at: None,
        scopes: Scope::ALL.to_vec(),
        ..base.clone()
    };
    let (first, second) = (make(1), make(2));
    for token in [&first, &second] {
        store.create_token(token.clone()).await.unwrap();
    }
    assert_eq!(store.token(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.token(base.id).await.unwrap(), Some(base.clone()));
    assert_eq!(store.tokens(mine).await.unwrap(), [second.clone(), first.clone()]);
    assert!(!store.delete_token(other, first.id).await.unwrap());
    assert!(store.delete_token(mine, first.id).await.unwrap());
    assert!(!store.delete_token(mine, first.id).await.unwrap());
    assert_eq!(store.token(first.id).await.unwrap(), None);
    assert_eq!(store.tokens(mine).await.unwrap(), [second]);
    assert_eq!(store.tokens(other).await.unwrap(), [base]);
}

pub(crate) async fn a_revoked_token_takes_its_sessions_and_codes_along(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1).await;
    let (revoked, kept) = (token(store, tenant).await, token(store, tenant).await);
    for (token, hash) in [(&revoked, 1), (&kept, 2)] {
        store.create_session(session(token, hash, 600)).await.unwrap();
        store.create_code([hash; 32], token.id, later(600)).await.unwrap();
    }
    assert!(store.delete_token(tenant, revoked.id).await.unwrap());
    assert_eq!(store.session([1; 32], now()).await.unwrap(), None);
    assert_eq!(store.take_code([1; 32], now()).await.unwrap(), None);
    assert_eq!(store.session([2; 32], now()).await.unwrap(), Some(session(&kept, 2, 600)));
    assert_eq!(store.take_code([2; 32], now()).await.unwrap(), Some(kept.id));
    // A sign-in that comes too late makes nothing.
    assert!(store.create_session(session(&revoked, 3, 600)).await.is_err());
    assert_eq!(store.session([3; 32], now()).await.unwrap(), None);
}

pub(crate) async fn a_code_is_taken_once_and_in_time(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1).await;
    let token = token(store, tenant).await;
    store.create_code([1; 32], token.id, later(60)).await.unwrap();
    store.create_code([2; 32], token.id, later(60)).await.unwrap();
    assert_eq!(store.take_code([3; 32], now()).await.unwrap(), None);
    assert_eq!(store.take_code([2; 32], later(60)).await.unwrap(), None);
    let taken = at_once(32, |_| {
        let store = Arc::clone(store);
        async move { store.take_code([1; 32], later(59)).await.unwrap() }
    })
    .await;
    assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [token.id]);
}

pub(crate) async fn a_session_ends_by_time_or_by_hand(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1).await;
    let token = token(store, tenant).await;
    let one = session(&token, 1, 60);
    store.create_session(one.clone()).await.unwrap();
    assert_eq!(store.session(one.hash, later(59)).await.unwrap(), Some(one.clone()));
    assert_eq!(store.session(one.hash, later(60)).await.unwrap(), None);
    assert_eq!(store.session([9; 32], now()).await.unwrap(), None);
    assert!(store.delete_session(one.hash).await.unwrap());
    assert!(!store.delete_session(one.hash).await.unwrap());
    assert_eq!(store.session(one.hash, now()).await.unwrap(), None);
}

pub(crate) async fn a_ticket_is_good_once(store: &Arc<dyn Store>) {
    let ticket = TicketId::new();
    let redeemed = at_once(32, |_| {
        let store = Arc::clone(store);
        async move { store.redeem_ticket(ticket, later(30)).await.unwrap() }
    })
    .await;
    assert_eq!(redeemed.into_iter().filter(|first| *first).count(), 1);
    assert!(!store.redeem_ticket(ticket, later(30)).await.unwrap());
    assert!(store.redeem_ticket(TicketId::new(), later(30)).await.unwrap());
}

pub(crate) async fn what_has_expired_is_forgotten_and_nothing_else(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let token = token(store, tenant).await;
    let ticket = TicketId::new();
    let key = |seconds, key: &str| {
        Some(Idempotency { key: key.to_owned(), fingerprint: [0; 32], expires_at: later(seconds) })
    };
    let short = new_agent(tenant);
    store.create_agent(short.clone(), key(10, "short")).await.unwrap();
    store.create_agent(new_agent(tenant), key(1000, "long")).await.unwrap();
    store.redeem_ticket(TicketId::new(), later(10)).await.unwrap();
    store.redeem_ticket(ticket, later(1000)).await.unwrap();
    for (hash, seconds) in [(1, 10), (2, 1000)] {
        store.create_session(session(&token, hash, seconds)).await.unwrap();
        store.create_code([hash; 32], token.id, later(seconds)).await.unwrap();
    }
    assert_eq!(store.forget_expired(later(9), 100).await.unwrap(), 0);
    assert_eq!(store.forget_expired(later(10), 3).await.unwrap(), 3);
    assert_eq!(store.forget_expired(later(10), 100).await.unwrap(), 1);
    assert_eq!(store.forget_expired(later(10), 100).await.unwrap(), 0);

    assert!(!store.redeem_ticket(ticket, later(1000)).await.unwrap());
    assert!(store.session([2; 32], now()).await.unwrap().is_some());
    assert!(store.session([1; 32], now()).await.unwrap().is_none());
    assert!(store.take_code([2; 32], now()).await.unwrap().is_some());
    let replayed = store.create_agent(new_agent(tenant), key(1000, "long")).await.unwrap();
    assert!(matches!(replayed, Created::Replayed(_)));
    let anew = store.create_agent(new_agent(tenant), key(1000, "short")).await.unwrap();
    assert!(matches!(anew, Created::Created(_)));
    assert!(store.agent(short.id).await.unwrap().is_some());
}

pub(crate) async fn a_store_that_works_says_so(store: &Arc<dyn Store>) {
    store.ping().await.unwrap();
}
