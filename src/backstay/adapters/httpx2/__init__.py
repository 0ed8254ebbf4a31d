"""Requests to other servers, with httpx2."""
