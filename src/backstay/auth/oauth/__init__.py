"""Sign-in with a third party: OpenID Connect, and OAuth 2.0 where that is all there is."""
