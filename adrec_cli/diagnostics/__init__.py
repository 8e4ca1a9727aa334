"""How item vectors lie in their space: pure maths over a matrix, which knows neither models nor files."""
