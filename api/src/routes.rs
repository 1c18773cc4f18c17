//! The routes: each handler takes a request apart, calls one function of [`crate::app`] and shapes
//! its answer.

use std::sync::Arc;

use axum::{Router, middleware};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    edge::{self, Secure},
    error::Error,
    openapi,
};

mod agents;
mod checkpoints;
mod docs;
mod files;
mod health;
mod hosts;
mod images;
mod internal;
mod logs;
mod messages;
mod page;
mod session;
mod socket;
mod suspending;
mod tickets;
mod tokens;

/// Every public route beside its description: a route cannot be added without one.
pub(crate) fn public() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(agents::spawn))
        .routes(routes!(agents::spawn_short))
        .routes(routes!(agents::list))
        .routes(routes!(agents::get, agents::delete))
        .routes(routes!(suspending::suspend))
        .routes(routes!(suspending::resume))
        .routes(routes!(checkpoints::create, checkpoints::list))
        .routes(routes!(checkpoints::delete))
        .routes(routes!(checkpoints::restore))
        .routes(routes!(checkpoints::fork))
        .routes(routes!(checkpoints::upgrade))
        .routes(routes!(messages::send))
        .routes(routes!(messages::create, messages::list))
        .routes(routes!(messages::delete))
        .routes(routes!(messages::hooked))
        .routes(routes!(tickets::create))
        .routes(routes!(socket::open))
        .routes(routes!(files::list))
        .routes(routes!(files::read, files::write, files::delete))
        .routes(routes!(logs::read))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(images::list))
        .routes(routes!(images::get))
        .routes(routes!(hosts::list))
        .routes(routes!(session::create, session::get, session::delete))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(docs::document))
}

/// Everything this API answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (public, _) = public().split_for_parts();
    public
        .merge(internal::routes())
        .merge(docs::pages())
        .fallback(crate::web::serve)
        .method_not_allowed_fallback(async || Error::new(wire::problem::Code::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(Secure(app.secure()), edge::edge))
        .with_state(app)
}
