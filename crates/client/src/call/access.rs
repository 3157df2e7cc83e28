//! Users, keys and secrets.

use futures_util::Stream;
use turbocat_domain::id::{ApiKeyId, SecretId};

use crate::{
    ApiKey, Client, Error, IssuedKey, KeyQuery, Me, NewKey, NewSecret, NewUser, Page, Secret, SecretQuery, User,
    UserQuery,
    client::Call,
    operation::{
        CREATE_KEY, CREATE_USER, DELETE_SECRET, LIST_KEYS, LIST_SECRETS, LIST_USERS, ME, REVOKE_KEY, SET_SECRET,
        SHOW_KEY,
    },
    page,
};

impl Client {
    /// Whose the key is, and what it may do.
    ///
    /// # Errors
    ///
    /// [`Error`]; `unauthenticated`.
    pub async fn me(&self) -> Result<Me, Error> {
        self.ask(Call::new(ME)).await
    }

    /// A page of accounts, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn users(&self, query: &UserQuery) -> Result<Page<User>, Error> {
        self.list(Call::new(LIST_USERS), query).await
    }

    /// All of them, page after page.
    pub fn all_users(&self, query: UserQuery) -> impl Stream<Item = Result<User, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.users(&query).await }
        })
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`, `already_exists`.
    pub async fn create_user(&self, wanted: &NewUser) -> Result<User, Error> {
        self.ask(Call::new(CREATE_USER).json(wanted)?).await
    }

    /// A page of the keys of a user, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn keys(&self, query: &KeyQuery) -> Result<Page<ApiKey>, Error> {
        self.list(Call::new(LIST_KEYS), query).await
    }

    /// A key, without the key itself.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn key(&self, id: ApiKeyId) -> Result<ApiKey, Error> {
        self.ask(Call::about(SHOW_KEY, id)).await
    }

    /// Makes a key. The key itself is in this answer and nowhere else.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`.
    pub async fn create_key(&self, wanted: &NewKey) -> Result<IssuedKey, Error> {
        self.ask(Call::new(CREATE_KEY).json(wanted)?).await
    }

    /// Revokes a key, for good.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<(), Error> {
        self.send(Call::about(REVOKE_KEY, id)).await.map(drop)
    }

    /// A page of the secrets of a user by name, without their values.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn secrets(&self, query: &SecretQuery) -> Result<Page<Secret>, Error> {
        self.list(Call::new(LIST_SECRETS), query).await
    }

    /// All of them, page after page.
    pub fn all_secrets(&self, query: SecretQuery) -> impl Stream<Item = Result<Secret, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.secrets(&query).await }
        })
    }

    /// Sets a secret. One of the same name gets the new value and hosts, and keeps its id.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`.
    pub async fn set_secret(&self, wanted: &NewSecret) -> Result<Secret, Error> {
        self.ask(Call::new(SET_SECRET).json(wanted)?).await
    }

    /// Deletes a secret, for good.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn delete_secret(&self, id: SecretId) -> Result<(), Error> {
        self.send(Call::about(DELETE_SECRET, id)).await.map(drop)
    }
}
