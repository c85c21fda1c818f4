"""The state's sign-on (ЕСИ, by OpenID Connect): it says who enters, and signs nothing for them."""
