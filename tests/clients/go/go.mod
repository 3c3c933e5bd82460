module muster.test/clients

go 1.16

require (
	github.com/hashicorp/consul/api v1.7.0
	github.com/hashicorp/consul/sdk v0.6.0
)
