"""JupyterHub for a class: each student is an account of the container, without any privilege."""

c = get_config()  # noqa: F821 - JupyterHub runs this file with it

c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.cookie_secret_file = "/run/jupyterhub/cookie_secret"  # noqa: S105 - a path
c.JupyterHub.db_url = "sqlite:////run/jupyterhub/jupyterhub.sqlite"
c.ConfigurableHTTPProxy.pid_file = "/run/jupyterhub/proxy.pid"

# Accounts of the container, with the passwords of students.txt.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.open_sessions = False
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.notebook_dir = "~/course"
c.Spawner.default_url = "/lab"
c.Spawner.environment = {"PLAYGROUND_ENGINE": "namespaces"}
c.JupyterHub.shutdown_on_logout = True
