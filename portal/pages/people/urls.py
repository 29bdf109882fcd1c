"""URLs of people and organizations."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.people import (
    home,
    invitations,
    members,
    organizations,
    project_changes,
    projects,
    security,
    settings,
)

MEMBERS = "o/<slug:slug>/settings/members/"
PROJECTS = "o/<slug:slug>/projects/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("o/<slug:slug>/settings/", settings.settings_page, name="settings"),
    path("o/<slug:slug>/settings/security/", security.security_page, name="security"),
    path(
        "o/<slug:slug>/settings/address",
        organizations.address,
        name="organization-address",
    ),
    path(
        "organizations/new",
        organizations.organization_create,
        name="organization-create",
    ),
    path("invitations/<str:token>/", invitations.invitation_page, name="invitation"),
    path(MEMBERS, members.member_list, name="members"),
    path(f"{MEMBERS}invite", invitations.invite, name="invite"),
    path(f"{MEMBERS}invitations/", invitations.invitation_list, name="invitations"),
    path(
        f"{MEMBERS}invitations/<int:pk>/renew",
        invitations.invitation_renew,
        name="invitation-renew",
    ),
    path(
        f"{MEMBERS}invitations/<int:pk>/revoke",
        invitations.invitation_revoke,
        name="invitation-revoke",
    ),
    path(f"{MEMBERS}<int:pk>/", members.member_page, name="member"),
    path(f"{MEMBERS}<int:pk>/disable", members.member_disable, name="member-disable"),
    path(f"{MEMBERS}<int:pk>/enable", members.member_enable, name="member-enable"),
    path(f"{MEMBERS}<int:pk>/remove", members.member_remove, name="member-remove"),
    path(PROJECTS, projects.project_list, name="projects"),
    path(f"{PROJECTS}new", project_changes.project_create, name="project-create"),
    path(f"{PROJECTS}<int:pk>/", projects.project_page, name="project"),
    path(f"{PROJECTS}<int:pk>/edit", project_changes.project_edit, name="project-edit"),
    path(
        f"{PROJECTS}<int:pk>/archive",
        project_changes.project_archive,
        name="project-archive",
    ),
    path(
        f"{PROJECTS}<int:pk>/restore",
        project_changes.project_restore,
        name="project-restore",
    ),
    path(f"{PROJECTS}<int:pk>/join", project_changes.project_join, name="project-join"),
    path(
        f"{PROJECTS}<int:pk>/members/<int:member_pk>/leave",
        project_changes.project_leave,
        name="project-leave",
    ),
]
